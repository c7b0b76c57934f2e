import type { IncomingMessage } from 'node:http'

/** A request says so in its body; in the text of a message the quotation marks would stand behind backslashes. */
const STREAMED = /(?<!\\)"stream"\s*:\s*true/
/** As much of a piece of the body as can hold the beginning of that. */
const TAIL = 64

/**
 * Notices that a model has gone silent. A streamed answer says something at least every few seconds, if only that it is still there;
 * one that is not streamed is silent until it is whole, so those are not watched.
 */
export class Silence {
  readonly #ms: number
  readonly #onSilence: () => void
  #streamed = false
  #tail = ''
  #timer: NodeJS.Timeout | undefined
  #over = false

  constructor(ms: number, onSilence: () => void) {
    this.#ms = ms
    this.#onSilence = onSilence
  }

  /** A piece of the request has passed. */
  asked(chunk: Buffer): void {
    if (this.#streamed) return this.#heard()
    const text = this.#tail + chunk.toString('latin1')
    this.#tail = text.slice(-TAIL)
    this.#streamed = STREAMED.test(text)
    if (this.#streamed) this.#heard()
  }

  /** The request is known to be for a streamed answer. */
  watch(streamed: boolean): void {
    this.#streamed = streamed
    if (streamed) this.#heard()
  }

  /** The answer is being handed on; until then it is not the model that is waited for. */
  answered(answer: IncomingMessage): void {
    if (!this.#streamed || answer.destroyed) return
    this.#over = false
    this.#heard()
    answer.on('data', () => this.#heard())
    answer.on('close', () => this.over())
  }

  over(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }

  #heard(): void {
    if (this.#over) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#onSilence, this.#ms)
  }
}
