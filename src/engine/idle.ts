import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../observe/text.ts'
import type { Engine } from './engine.ts'
import { sayFarewell } from './farewell.ts'
import type { Tools } from './tools.ts'

export interface IdleRules {
  /** 0: never. */
  readonly afterMs: number
  readonly push: 'none' | 'all'
  /** Looks once more for messages that nobody has taken yet; answers whether there were any. */
  readonly lastLook: () => Promise<boolean>
  /** Tells senders that the service goes on after all. */
  readonly stay: () => Promise<void>
  /** Nothing is accepted any more: tells whoever would start it again. */
  readonly gone: () => Promise<void>
}

const MOST_BETWEEN_LOOKS_MS = 15_000
/** How long it is waited for what a farewell asked for. */
const SETTLE_MS = 250

/**
 * Ends the service when there has been no work for a while: everything is saved first, and then nothing is accepted any more. Never
 * with a command that has no result, or a result that has not arrived.
 */
export class Idle implements AsyncDisposable {
  readonly #engine: Engine
  readonly #tools: Tools
  readonly #rules: IdleRules
  readonly #stop = new AbortController()
  readonly #over = Promise.withResolvers<void>()
  #touchedAt = performance.now()
  #working: Promise<void> | undefined

  constructor(engine: Engine, tools: Tools, rules: IdleRules) {
    this.#engine = engine
    this.#tools = tools
    this.#rules = rules
  }

  /** Somebody is there. */
  touch(): void {
    this.#touchedAt = performance.now()
  }

  /** Resolves when the service is to end. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  start(): void {
    if (this.#rules.afterMs > 0) this.#working ??= this.#work()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    const { afterMs } = this.#rules
    while (!this.#stop.signal.aborted) {
      await delay(Math.min(MOST_BETWEEN_LOOKS_MS, afterMs / 4), undefined, { signal: this.#stop.signal }).catch(() => {}) // stopped
      if (this.#stop.signal.aborted) return
      try {
        if (!(await this.#quiet())) this.touch()
        else if (performance.now() - this.#lifeAt >= afterMs && (await this.#leave())) return this.#over.resolve()
      } catch (error) {
        this.#tools.log.warn({ event: 'idle.not_known', error: messageOf(error) })
        this.touch()
      }
    }
  }

  get #lifeAt(): number {
    return Math.max(this.#touchedAt, this.#engine.busyAt)
  }

  async #quiet(): Promise<boolean> {
    const { running, waiting } = this.#engine.counts()
    const { journal } = this.#tools
    return running + waiting === 0 && (await journal.unfinished()).length === 0 && (await journal.outboxSize()) === 0 && (await journal.inbox.size()) === 0
  }

  /** Answers whether nothing came in between. */
  async #leave(): Promise<boolean> {
    this.#tools.log.info({ event: 'service.idle' })
    const touched = this.#touchedAt
    let left = false
    try {
      const asked = await sayFarewell(this.#engine, this.#tools, this.#rules.push, this.#stop.signal)
      while (asked && !this.#stop.signal.aborted && !(await this.#quiet())) await delay(SETTLE_MS)
      const wanted = (await this.#rules.lastLook()) || this.#touchedAt !== touched || !(await this.#quiet())
      left = !wanted && !this.#stop.signal.aborted && this.#engine.closeIfIdle()
    } finally {
      if (!left) {
        this.touch()
        await this.#rules.stay()
      }
    }
    if (left) await this.#rules.gone()
    return left
  }
}
