const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 10_000
/** After so long without a change the next is told at once. */
const CALM_MS = 5000

/** Tells of changes no oftener than is of use: a site may be broken and mended a thousand times a second. The last one is always told. */
export class Telling implements Disposable {
  readonly #tell: () => void
  #toldAt = Number.NEGATIVE_INFINITY
  #pauseMs = 0
  #soon: NodeJS.Timeout | undefined

  constructor(tell: () => void) {
    this.#tell = tell
  }

  changed(): void {
    if (this.#soon !== undefined) return
    const since = performance.now() - this.#toldAt
    this.#pauseMs = since > CALM_MS ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
    const wait = this.#pauseMs - since
    if (wait <= 0) this.#now()
    else this.#soon = setTimeout(() => this.#now(), wait).unref()
  }

  #now(): void {
    this.#soon = undefined
    this.#toldAt = performance.now()
    this.#tell()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#soon)
  }
}
