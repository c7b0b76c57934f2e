import { DurableObject } from 'cloudflare:workers'
import { messageOf } from '../../../src/observe/text.ts'
import { GitHubApi, type Minted } from '../../../src/ways/github/api/api.ts'
import { BoxFull, type Box } from './box.ts'
import { localBox } from './local-box.ts'
import { nameOf } from './name.ts'
import { platformBox } from './platform-box.ts'
import { toolsOf, type Tools } from './tools.ts'
import { same } from './same.ts'

export interface Repository {
  readonly owner: string
  readonly name: string
}

/** How a container stands. Each that is started has an `instance` of its own: what another one had is gone. */
export type Standing =
  | { readonly kind: 'ready' | 'starting'; readonly instance: string; readonly startedAt: number }
  | { readonly kind: 'full' | 'failed'; readonly why: string }

const HEALTH_MS = 3000
/** GitHub's tokens last an hour. */
const TOKEN_MS = 45 * 60_000

const secret = (): string => `${crypto.randomUUID()}${crypto.randomUUID()}`

/** The container of one thread: what it is started with, and the only way to it. */
export class ContainerObject extends DurableObject<Env> {
  #tools: Tools | undefined
  #token: { readonly minted: Minted; readonly at: number } | undefined

  /** Starts it where it does not run, and says how it stands; answers soon, because starting takes seconds. */
  async ready(repository: Repository): Promise<Standing> {
    const { kv } = this.ctx.storage
    kv.put('repository', repository)
    const { log } = this.#begin()
    try {
      const box = this.#box()
      const instance = kv.get<string>('instance')
      if (!(await box.running()) || instance === undefined) {
        const made = { instance: crypto.randomUUID(), startedAt: Date.now() }
        const [token, pass] = [secret(), secret()]
        kv.put('token', token)
        kv.put('pass', pass)
        await box.start(this.#environment(token), { repository, pass })
        for (const [name, value] of Object.entries(made)) kv.put(name, value)
        log.info({ event: 'container.started', ...made })
        return { kind: 'starting', ...made }
      }
      const startedAt = kv.get<number>('startedAt') ?? 0
      const healthy = await this.#ask('/health', { signal: AbortSignal.timeout(HEALTH_MS) }).then(
        (answer) => answer.ok,
        () => false, // it is not there yet
      )
      return { kind: healthy ? 'ready' : 'starting', instance, startedAt }
    } catch (error) {
      log.warn({ event: 'container.not_started', error: messageOf(error) })
      return { kind: error instanceof BoxFull ? 'full' : 'failed', why: messageOf(error) }
    }
  }

  /** A request for the service in it. */
  override async fetch(request: Request): Promise<Response> {
    this.#begin()
    const { pathname, search } = new URL(request.url)
    return this.#ask(`${pathname}${search}`, request)
  }

  /** What the service in it shows when it fetches and pushes: a pass where that is exchanged on the way out, else a token. */
  async credential(): Promise<string> {
    this.#begin()
    return this.#box().takesPass ? (this.ctx.storage.kv.get<string>('pass') ?? '') : this.#gitToken()
  }

  /** Whether this is the pass that the service in it was given; what agents in it ask by themselves has none. */
  async isPass(shown: string): Promise<boolean> {
    const pass = this.ctx.storage.kv.get<string>('pass')
    return pass !== undefined && (await same(pass, shown))
  }

  /** The real token for a pass. */
  async tokenFor(pass: string): Promise<string | undefined> {
    return (await this.isPass(pass)) ? this.#gitToken() : undefined
  }

  /** A token for its repository alone, with the right to push; taken back when the container is stopped. */
  async #gitToken(): Promise<string> {
    const repository = this.ctx.storage.kv.get<Repository>('repository')
    if (repository === undefined) throw new Error('this container has not been started')
    if (this.#token === undefined || this.#token.at < Date.now() - TOKEN_MS) {
      const { settings } = this.#begin()
      const workflows = settings.passedOn['PUSH_WORKFLOWS'] === 'true' ? { workflows: 'write' as const } : {}
      this.#token = { minted: await this.#api().mint(repository, { contents: 'write', ...workflows }), at: Date.now() }
    }
    return this.#token.minted.token
  }

  /** Ends it, with whatever is in it. */
  async stop(): Promise<void> {
    const { log } = this.#begin()
    const { kv } = this.ctx.storage
    await this.#box().stop()
    if (kv.get('instance') !== undefined) log.info({ event: 'container.stopped', instance: kv.get<string>('instance') })
    for (const name of ['instance', 'token', 'pass']) kv.delete(name)
    await this.#token?.minted[Symbol.asyncDispose]()
    this.#token = undefined
  }

  async #ask(path: string, init: RequestInit | Request): Promise<Response> {
    const request = new Request(`http://container${path}`, init)
    request.headers.set('authorization', `Bearer ${this.ctx.storage.kv.get<string>('token') ?? ''}`)
    request.headers.delete('host')
    return this.#box().fetch(request)
  }

  #begin = (): Tools => (this.#tools ??= toolsOf(this.env, { object: 'container', container: nameOf(this.ctx) }))

  #box(): Box {
    const { settings } = this.#begin()
    if (settings.LOCAL_CONTAINERS !== undefined) return localBox(settings.LOCAL_CONTAINERS, nameOf(this.ctx))
    return platformBox(this.ctx, this.#begin())
  }

  /** What the service in it is told. No credential is among it but one that only opens the service itself. */
  #environment(token: string): Record<string, string> {
    const { settings } = this.#begin()
    return {
      ...settings.passedOn,
      API_TOKEN: token,
      GITHUB_API_URL: settings.GITHUB_API_URL,
      CONCURRENCY: '1',
      AUTO_SHUTDOWN_MINUTES: '0', // the Worker stops it
      DRAIN_SECONDS: '600',
      SIMULATION: String(settings.SIMULATION),
    }
  }

  #api(): GitHubApi {
    const { settings, hidden } = this.#begin()
    return new GitHubApi({
      apiUrl: settings.GITHUB_API_URL,
      app: async () => this.env.GITHUB_APP.getByName('app').app(),
      token: undefined,
      keepToken: (value) => hidden.keep(value),
      stop: new AbortController().signal,
    })
  }
}
