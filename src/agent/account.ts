import type { Spent } from '../command/spending.ts'
import { costOf, type ModelTokens } from './prices.ts'

/** What may be spent, in USD; `undefined` is no limit. */
export type Budgets = { readonly [Scope in keyof Spent]: number | undefined }

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
  readonly budgets: Budgets
  /** What had been spent before this run. */
  readonly spent: Spent
  /** Nothing is charged: the model is a scripted one. */
  readonly free: boolean
  /** Records a use durably; answers what has been spent by then, or `undefined` where it could not be recorded. */
  readonly record: (use: Use) => Promise<Spent | undefined>
}

/** One request to the model, from when it is sent. */
export interface Meter {
  /** So many bytes of it have been sent. */
  sent(bytes: number): void
  /** What its answer has used so far. */
  count(model: string | undefined, tokens: ModelTokens): void
  /** It costs nothing: it was refused, or only asked how long something is. */
  free(): void
  /** It is over. Where it was given up before the model said what it used, it counts as what was sent. May be called twice. */
  end(): void
}

const SCOPES = ['command', 'thread', 'day'] as const
/** Claude Code asks one thing at a time, and a few for agents of its own. */
const MAX_REQUESTS = 8
/** Of text, and less of what is not. */
const BYTES_OF_TOKEN = 4

const NOTHING: ModelTokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 }
const isNothing = (tokens: ModelTokens): boolean => Object.values(tokens).every((count) => count === 0)

interface Flight {
  bytes: number
  model: string
  tokens: ModelTokens
}

/**
 * What one run spends on the model. Counted while answers stream, so that a runaway is stopped in the middle of one; recorded when
 * each has ended.
 */
export class Account {
  readonly #options: AccountOptions
  readonly #over = new AbortController()
  readonly #flying = new Set<Flight>()
  readonly #recording = new Set<Promise<void>>()
  readonly #asked = Promise.withResolvers<void>()
  #spent: Spent
  /** What this run has used and what is not, or not yet, recorded. */
  #unrecorded = 0
  #landed: () => void = () => {}
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

  limited(until: number): void {
    this.#limitedUntil = Math.max(this.#limitedUntil, until)
  }

  /** Another request may be sent beside those that are under way: there are not too many, and if each costs what was sent, not too much. */
  mayAsk(): boolean {
    if (this.#flying.size >= MAX_REQUESTS) return false
    return this.#flying.size === 0 || this.#exceeded((flight) => Math.max(this.#cost(flight), this.#estimate(flight).costUsd)) === undefined
  }

  /** A request is on its way to the model. */
  request(): Meter {
    this.#asked.resolve()
    const flight: Flight = { bytes: 0, model: '', tokens: NOTHING }
    let [free, said] = [false, false]
    this.#flying.add(flight)
    return {
      sent: (bytes) => void (flight.bytes += bytes),
      count: (model, tokens) => {
        flight.model = model ?? ''
        flight.tokens = tokens
        said = true
        this.#look()
      },
      free: () => void (free = true),
      end: () => {
        if (!this.#flying.delete(flight)) return
        const used = !said && !free ? this.#estimate(flight) : { tokens: flight.tokens, costUsd: this.#cost(flight) }
        if (!isNothing(used.tokens)) this.#record(used)
        this.#look()
        this.#landed()
      },
    }
  }

  /** Resolves when everything is over and recorded. Whoever calls it has seen to it that nothing more is asked. */
  async settled(): Promise<void> {
    while (this.#flying.size > 0) await new Promise<void>((resolve) => (this.#landed = resolve))
    await Promise.all(this.#recording)
  }

  #cost({ model, tokens }: Flight): number {
    return this.#options.free ? 0 : costOf(model, tokens)
  }

  #estimate({ bytes, model }: Flight): Use {
    const tokens = { ...NOTHING, input: Math.ceil(bytes / BYTES_OF_TOKEN) }
    return { tokens, costUsd: this.#cost({ bytes, model, tokens }) }
  }

  #record(use: Use): void {
    this.#unrecorded += use.costUsd
    const recording = this.#options.record(use).then((spent) => {
      this.#recording.delete(recording)
      if (spent === undefined) return
      this.#spent = spent // others of the same user spend too
      this.#unrecorded -= use.costUsd
      this.#look()
    })
    this.#recording.add(recording)
  }

  #look(): void {
    const over = this.#exceeded((flight) => this.#cost(flight))
    if (over !== undefined) this.#over.abort(over)
  }

  #exceeded(costOfFlight: (flight: Flight) => number): OverBudget | undefined {
    const flying = [...this.#flying].reduce((sum, flight) => sum + costOfFlight(flight), this.#unrecorded)
    for (const scope of SCOPES) {
      const limit = this.#options.budgets[scope]
      if (limit !== undefined && this.#spent[scope] + flying >= limit) return new OverBudget(scope, limit)
    }
    return undefined
  }
}
