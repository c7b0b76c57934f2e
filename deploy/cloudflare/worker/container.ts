import { DurableObject } from 'cloudflare:workers'
import * as z from 'zod'
import type { RepositoryName } from '../../../src/git/github-url.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { oneAtATime } from '../../../src/process/one-at-a-time.ts'
import type { Minted } from '../../../src/ways/github/api/api.ts'
import { localRuntime } from './local-runtime.ts'
import { nameOf } from './name.ts'
import { platformRuntime } from './platform-runtime.ts'
import { isFull, type Passes, type Runtime } from './runtime.ts'
import { same } from './same.ts'
import { apiOf, toolsOf, type Tools } from './tools.ts'

/**
 * How a container is. Each that is started is an `instance` of its own: what another one had is gone. One that is `draining` was told to
 * stop: it finishes what it has to and takes nothing more.
 */
export type ContainerState =
  | { readonly kind: 'ready' | 'starting' | 'draining'; readonly instance: string; readonly startedAt: number }
  | { readonly kind: 'full' | 'failed'; readonly why: string }

const HEALTH_MS = 3000
/** GitHub's tokens last an hour; another one is minted in time. */
const TOKEN_MS = 30 * 60_000
const Health = z.object({ status: z.string() })

/** What is kept of the container that was started last. */
interface Started {
  readonly instance: string
  /** ms since the epoch. */
  readonly startedAt: number
  /** Opens the API of the service in it. */
  readonly token: string
  readonly passes: Passes
}

const secret = (): string => `${crypto.randomUUID()}${crypto.randomUUID()}`

/** The container of one thread: what it is started with, and the only way to it. */
export class ContainerObject extends DurableObject<Env> {
  readonly #once = oneAtATime()
  #tools: Tools | undefined
  #token: { readonly minted: Minted; readonly at: number } | undefined

  /** Starts it where it does not run, and says how it is; answers soon, because starting takes seconds. */
  async ready(repository: RepositoryName): Promise<ContainerState> {
    const { log } = this.#begin()
    try {
      this.#kv.put('repository', repository)
      const started = this.#started()
      if (await this.#runtime().running()) {
        if (started !== undefined) return await this.#look(started)
        await this.#runtime().stop() // it was being started when this object ended
      }
      if (started !== undefined && this.#kv.get('answered') !== started.instance) {
        // It ended before it ever answered: that is told, and with the next call another one is started.
        const why = this.#kv.get<string>('ended') ?? 'it ended before it answered'
        this.#forget()
        log.warn({ event: 'container.not_started', why })
        return { kind: isFull(why) ? 'full' : 'failed', why }
      }
      return await this.#start(repository)
    } catch (error) {
      const why = messageOf(error)
      log.warn({ event: 'container.not_started', why })
      this.#forget()
      return { kind: isFull(why) ? 'full' : 'failed', why }
    }
  }

  /** A request for the service in it; 502 where it cannot be reached. */
  override async fetch(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url)
    try {
      return await this.#ask(`${pathname}${search}`, request)
    } catch (error) {
      return Response.json({ detail: `The container cannot be reached: ${messageOf(error)}` }, { status: 502 })
    }
  }

  /** What the service in it shows when it fetches and pushes: a pass where that is exchanged on the way out, else a token. */
  async credential(): Promise<string> {
    return this.#runtime().takesPasses ? (this.#started()?.passes.git ?? '') : this.#gitToken()
  }

  /** The real token for the pass of git; `undefined` for anything else, as what agents in the container ask by themselves. */
  async tokenFor(shown: string): Promise<string | undefined> {
    const pass = this.#started()?.passes.git
    return pass !== undefined && (await same(pass, shown)) ? this.#gitToken() : undefined
  }

  /** Whether this is the pass of the model. */
  async isModelPass(shown: string): Promise<boolean> {
    const pass = this.#started()?.passes.model
    return pass !== undefined && same(pass, shown)
  }

  /** Ends it, with whatever is in it. */
  async stop(): Promise<void> {
    const { log } = this.#begin()
    const started = this.#started()
    await this.#runtime().stop()
    if (started !== undefined) log.info({ event: 'container.stopped', instance: started.instance })
    this.#forget()
    await this.#token?.minted[Symbol.asyncDispose]()
    this.#token = undefined
  }

  async #start(repository: RepositoryName): Promise<ContainerState> {
    const started: Started = { instance: crypto.randomUUID(), startedAt: Date.now(), token: secret(), passes: { git: secret(), model: secret() } }
    const { instance, startedAt, token, passes } = started
    this.#kv.put('started', started) // before it runs: one that runs and is not known is ended
    const onEnd = (why: string): void => {
      if (this.#started()?.instance === instance) this.#kv.put('ended', why)
      this.#begin().log.info({ event: 'container.ended', instance, why })
    }
    await this.#runtime().start(this.#environment(token), { repository, passes, onEnd })
    this.#begin().log.info({ event: 'container.started', instance, startedAt })
    return { kind: 'starting', instance, startedAt }
  }

  async #look({ instance, startedAt }: Started): Promise<ContainerState> {
    const answer = await this.#ask('/health', { signal: AbortSignal.timeout(HEALTH_MS) }).catch(() => undefined) // it is not there yet
    const status = answer === undefined ? undefined : Health.safeParse(await answer.json().catch(() => undefined)).data?.status
    if (answer?.ok === true) this.#kv.put('answered', instance)
    return { kind: answer?.ok === true ? 'ready' : status === 'draining' ? 'draining' : 'starting', instance, startedAt }
  }

  async #ask(path: string, init: RequestInit | Request): Promise<Response> {
    const request = new Request(`http://container${path}`, init)
    request.headers.set('authorization', `Bearer ${this.#started()?.token ?? ''}`)
    request.headers.delete('host')
    return this.#runtime().fetch(request)
  }

  /** A token for its repository alone, with the right to push; taken back when the container is stopped or another one is minted. One is minted at a time. */
  #gitToken = (): Promise<string> => this.#once('token', () => this.#mintedToken())

  async #mintedToken(): Promise<string> {
    const repository = this.#kv.get<RepositoryName>('repository')
    if (repository === undefined) throw new Error('this container has not been started')
    const known = this.#token
    if (known !== undefined && known.at > Date.now() - TOKEN_MS) return known.minted.token
    const tools = this.#begin()
    const workflows = tools.settings.passedOn['PUSH_WORKFLOWS'] === 'true' ? { workflows: 'write' as const } : {}
    const api = apiOf(tools, async () => this.env.GITHUB_APP.getByName('app').app())
    this.#token = { minted: await api.mint(repository, { contents: 'write', ...workflows }), at: Date.now() }
    await known?.minted[Symbol.asyncDispose]()
    return this.#token.minted.token
  }

  /** What the service in it is told. No credential is among it but one that only opens the service itself. */
  #environment(token: string): Record<string, string> {
    const { settings } = this.#begin()
    return {
      ...settings.passedOn,
      API_TOKEN: token,
      GITHUB_API_URL: settings.GITHUB_API_URL,
      ISOLATION: settings.ISOLATION ?? (settings.LOCAL_CONTAINERS === undefined ? 'require' : 'auto'),
      CONCURRENCY: '1',
      AUTO_SHUTDOWN_MINUTES: '0', // the Worker stops it
      DRAIN_SECONDS: '600',
      SIMULATION: String(settings.SIMULATION),
    }
  }

  #forget(): void {
    for (const name of ['started', 'answered', 'ended']) this.#kv.delete(name)
  }

  #runtime(): Runtime {
    const { settings } = this.#begin()
    if (settings.LOCAL_CONTAINERS !== undefined) return localRuntime(settings.LOCAL_CONTAINERS, nameOf(this.ctx))
    return platformRuntime(this.ctx, settings)
  }

  #begin = (): Tools => (this.#tools ??= toolsOf(this.env, { object: 'container', container: nameOf(this.ctx) }))
  #started = (): Started | undefined => this.#kv.get<Started>('started')
  get #kv(): SyncKvStorage {
    return this.ctx.storage.kv
  }
}
