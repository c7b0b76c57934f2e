import { setTimeout as delay } from 'node:timers/promises'

/** Looks whether there is something to do: whenever it is rung, and now and then, until it is disposed of. One look at a time. */
export class Looking implements AsyncDisposable {
  readonly #look: () => Promise<void>
  readonly #everyMs: number
  readonly #failed: (error: unknown) => void
  readonly #stop = new AbortController()
  #ring = new AbortController()
  #working: Promise<void> | undefined

  /** @param everyMs 0: only when it is rung. @param failed hears why a look failed; the next one comes in its time. */
  constructor(look: () => Promise<void>, everyMs: number, failed: (error: unknown) => void) {
    this.#look = look
    this.#everyMs = everyMs
    this.#failed = failed
  }

  /** Nothing more is to be begun. */
  get stopped(): boolean {
    return this.#stop.signal.aborted
  }

  start(): void {
    this.#working ??= this.#work()
  }

  ring(): void {
    this.#ring.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    while (!this.stopped) {
      this.#ring = new AbortController()
      await this.#look().catch(this.#failed)
      await pause(this.#everyMs, AbortSignal.any([this.#stop.signal, this.#ring.signal]))
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => {}) // rung, or stopped
  else await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
