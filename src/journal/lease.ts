import { setTimeout as delay } from 'node:timers/promises'
import { Fenced } from './journal.ts'

/** Who owns a workspace, as it stands in its journal. */
export interface Lease {
  /** The machine that its owner runs on. */
  readonly owner: string
  /** Rises by one with every owner. */
  readonly epoch: number
  /** Rises by one with every renewal. */
  readonly beat: number
  /** Its owner has given it up. */
  readonly released: boolean
}

/** Where the lease lies. Each write is conditional, and says as a value whether it took place. */
export interface LeaseStore {
  read(): Promise<Lease>
  /** Makes `owner` the next one, where the lease is still as it was `seen`; answers the new epoch. */
  take(seen: Lease, owner: string): Promise<number | undefined>
  renew(epoch: number): Promise<boolean>
  release(epoch: number): Promise<void>
}

export interface LeaseTerms {
  readonly owner: string
  /**
   * How long an owner that is not heard of is waited for. 0 where a lock that the kernel frees has shown already that nobody else
   * on this machine, the only one, holds the workspace.
   */
  readonly ttlMs: number
  /** Ends waiting. */
  readonly stop?: AbortSignal | undefined
  /** It is waited for an owner that has not given the lease up. */
  readonly waits?: ((owner: string) => void) | undefined
}

/** Looks at a held lease this many times within its term. */
const LOOKS = 10

/**
 * Takes the lease: at once where it was given up, or held on this machine, whose kernel has freed the lock of its owner; else when it
 * has been seen unchanged for one term of our own monotonic clock. Wall clocks are never compared.
 *
 * @returns the new epoch, or the lease as it was when its owner showed that it is alive, or another one was faster
 */
export async function takeLease(store: LeaseStore, { owner, ttlMs, stop, waits }: LeaseTerms): Promise<number | Lease> {
  const seen = await store.read()
  if (ttlMs > 0 && !seen.released && seen.owner !== owner) {
    waits?.(seen.owner)
    for (let look = 0; look < LOOKS; look += 1) {
      await delay(ttlMs / LOOKS, undefined, stop === undefined ? {} : { signal: stop })
      const now = await store.read()
      if (now.epoch !== seen.epoch || now.beat !== seen.beat) return now
    }
  }
  return (await store.take(seen, owner)) ?? (await store.read())
}

/**
 * Keeps a lease that was taken: renews it every third of its term. Trust in it counts from when the last renewal that succeeded was
 * sent, and ends after two thirds of the term, before anybody else may take it: then `lost` aborts, and nothing more may be written.
 */
export class Tenure implements AsyncDisposable {
  readonly epoch: number
  readonly #store: LeaseStore
  readonly #ttlMs: number
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #renewing: Promise<void>
  #trustedFrom = performance.now()

  constructor(store: LeaseStore, epoch: number, ttlMs: number) {
    this.epoch = epoch
    this.#store = store
    this.#ttlMs = ttlMs
    this.#renewing = ttlMs === 0 ? Promise.resolve() : this.#renew()
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Whether the workspace may be written to, as far as this service can know by itself. Asked before every write. */
  holds(): boolean {
    if (this.#ttlMs > 0 && performance.now() - this.#trustedFrom > (this.#ttlMs * 2) / 3)
      this.#lost.abort(new Fenced('the lease of this workspace could not be renewed in time, so another service may take it over'))
    return !this.#lost.signal.aborted
  }

  /** A write has found a newer owner; or this one cannot go on, and has to leave the workspace to the next. */
  overtaken(reason = new Fenced()): void {
    this.#lost.abort(reason)
  }

  async #renew(): Promise<void> {
    let wait = this.#ttlMs / 3
    while (!this.#stop.signal.aborted && !this.#lost.signal.aborted) {
      await delay(wait, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {}) // stopped
      if (this.#stop.signal.aborted || !this.holds()) return
      const sent = performance.now()
      const renewed = await this.#store.renew(this.epoch).catch(() => undefined) // the store may be back before trust ends
      wait = renewed === undefined ? this.#ttlMs / 30 : this.#ttlMs / 3
      if (renewed === true) this.#trustedFrom = sent
      else if (renewed === false) this.overtaken()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#renewing
    if (this.holds()) await this.#store.release(this.epoch).catch(() => {}) // whoever comes next waits for one term
  }
}
