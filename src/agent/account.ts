import type { Spent } from '../command/spending.ts'
import { costOf, type ModelTokens } from './prices.ts'

/** What may be spent, in USD; `undefined` is no limit. */
export type Limits = { readonly [Scope in keyof Spent]: number | undefined }

/** A budget is spent: what one command, one thread, or one user on one day may cost. The reason why a run is stopped. */
export class OverBudget extends Error {
  readonly scope: keyof Spent
  readonly limitUsd: number
  constructor(scope: keyof Spent, limitUsd: number) {
    super(`the budget of the ${scope}, ${limitUsd} USD, is spent`)
    this.name = 'OverBudget'
    this.scope = scope
    this.limitUsd = limitUsd
  }
}

/** What one answer of the model used. */
export interface Use {
  readonly tokens: ModelTokens
  readonly costUsd: number
}

export interface AccountOptions {
  readonly limits: Limits
  /** What had been spent before this run. */
  readonly spent: Spent
  /** Nothing is charged: the model is a scripted one. */
  readonly free: boolean
  /** Records a use durably; answers what has been spent by then. */
  readonly record: (use: Use) => Promise<Spent>
}

const SCOPES = ['command', 'thread', 'day'] as const

/**
 * What one run spends on the model. Counted while answers stream, so that a runaway is stopped in the middle of one; recorded when
 * each has ended.
 */
export class Account {
  readonly #options: AccountOptions
  readonly #over = new AbortController()
  readonly #inFlight = new Map<object, number>()
  readonly #recording = new Set<Promise<void>>()
  readonly #asked = Promise.withResolvers<void>()
  #spent: Spent
  #ready: Promise<unknown> = Promise.resolve()
  #limitedUntil = 0

  constructor(options: AccountOptions) {
    this.#options = options
    this.#spent = options.spent
    this.#look()
  }

  /** Aborts with an OverBudget when nothing more may be spent. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** Until when the model has said that it will answer nothing, in ms since the epoch; 0 where it has not. */
  get limitedUntil(): number {
    return this.#limitedUntil
  }

  /** Resolves when the model has been asked for the first time. */
  get asked(): Promise<void> {
    return this.#asked.promise
  }

  /** The model's answers are handed on when this has resolved. */
  get ready(): Promise<unknown> {
    return this.#ready
  }

  holdAnswersUntil(ready: Promise<unknown>): void {
    this.#ready = ready
    ready.catch(() => {}) // whoever gave it hears it too
  }

  limited(until: number): void {
    this.#limitedUntil = Math.max(this.#limitedUntil, until)
  }

  /** A request is on its way to the model. */
  ask(): void {
    this.#asked.resolve()
  }

  /** Begins a request; what it answers is told how much was used so far, and at last, once, with `final`. */
  request(): (model: string | undefined, tokens: ModelTokens, final: boolean) => void {
    const key = {}
    return (model, tokens, final) => {
      const costUsd = this.#options.free ? 0 : costOf(model ?? '', tokens)
      if (final) {
        this.#inFlight.delete(key)
        if (Object.values(tokens).some((count) => count > 0)) this.#record({ tokens, costUsd })
      } else this.#inFlight.set(key, costUsd)
      this.#look()
    }
  }

  /** Resolves when everything that was used is recorded. */
  async settled(): Promise<void> {
    await Promise.all(this.#recording)
  }

  #record(use: Use): void {
    const [before, { costUsd }] = [this.#spent, use]
    this.#spent = { command: before.command + costUsd, thread: before.thread + costUsd, day: before.day + costUsd }
    const recording = this.#options.record(use).then((spent) => {
      // Others of the same user spend too; and where recording fails, what is known here still counts.
      this.#spent = {
        command: Math.max(spent.command, this.#spent.command),
        thread: Math.max(spent.thread, this.#spent.thread),
        day: Math.max(spent.day, this.#spent.day),
      }
      this.#recording.delete(recording)
      this.#look()
    })
    this.#recording.add(recording)
  }

  #look(): void {
    const flying = [...this.#inFlight.values()].reduce((sum, each) => sum + each, 0)
    for (const scope of SCOPES) {
      const limit = this.#options.limits[scope]
      if (limit !== undefined && this.#spent[scope] + flying >= limit) this.#over.abort(new OverBudget(scope, limit))
    }
  }
}
