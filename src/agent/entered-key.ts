import { messageOf } from '../observe/text.ts'
import type { MessagesApi, Upstream } from './upstream.ts'

/** Where it is kept, for the service's user alone. */
export interface KeyStore {
  read(): Promise<string | undefined>
  write(key: string): Promise<void>
  remove(): Promise<void>
}

export interface EnteredKeyOptions {
  readonly store: KeyStore
  /** The Messages API that it is for. */
  readonly url: string
  /** Who answers where there is no key. */
  readonly simulation: Upstream
  readonly switchTo: (upstream: Upstream) => void
  /** From here on the value is redacted everywhere. */
  readonly keepSecret: (value: string) => void
  readonly ask?: typeof fetch
}

const KEY = /^sk-[\w-]{10,300}$/
const ANSWER_MS = 10_000

/**
 * The key of the model, entered by a person while the service runs, where its operator has set none. It is kept, and never shown again.
 */
export class EnteredKey {
  readonly #options: EnteredKeyOptions
  #entered = false

  constructor(options: EnteredKeyOptions) {
    this.#options = options
  }

  /** A script answers, because no key was entered. */
  get simulated(): boolean {
    return !this.#entered
  }

  /** Uses the one that was entered before, if one was. */
  async start(): Promise<void> {
    const key = await this.#options.store.read()
    if (key !== undefined && KEY.test(key)) this.#use(key)
  }

  /** Asks the model whether it takes the key, keeps it, and uses it from here on. Answers why not, where it does not. `busy`: a run began with the other model. */
  async enter(key: string, busy: () => boolean): Promise<string | undefined> {
    if (!KEY.test(key)) return 'must be a key of the Anthropic API, such as sk-ant-…'
    this.#options.keepSecret(key)
    const problem = await this.#problemOf(key)
    if (problem !== undefined) return problem
    if (busy()) return 'was not taken, because something has begun to run meanwhile; enter it again when that has ended'
    await this.#options.store.write(key)
    this.#use(key)
    return undefined
  }

  /** A script answers again. */
  async forget(): Promise<void> {
    await this.#options.store.remove()
    this.#entered = false
    this.#options.switchTo(this.#options.simulation)
  }

  async #problemOf(key: string): Promise<string | undefined> {
    const { url, ask = fetch } = this.#options
    try {
      const headers = { 'x-api-key': key, 'anthropic-version': '2023-06-01' }
      const answer = await ask(`${url.replace(/\/$/, '')}/v1/models?limit=1`, { headers, redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) })
      await answer.body?.cancel()
      return answer.status === 401 || answer.status === 403 ? 'is not accepted by the Anthropic API; copy it again, or make a new one' : undefined
    } catch (error) {
      return `could not be tried, because ${new URL(url).host} cannot be reached (${messageOf(error)})`
    }
  }

  #use(key: string): void {
    const upstream: MessagesApi = { kind: 'anthropic', url: this.#options.url, credential: { header: 'x-api-key', value: key } }
    this.#options.keepSecret(key)
    this.#options.switchTo(upstream)
    this.#entered = true
  }
}
