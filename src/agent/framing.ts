import { crc32 } from 'node:zlib'

const LINE_FEED = 0x0a
/** Total length, length of the headers, and a checksum of both. */
const PRELUDE = 12
const CHECKSUM = 4

/** What is kept of a piece that is not there as a whole: at most `max` bytes, of a longer one only its length. */
class Piece {
  readonly #max: number
  #parts: Buffer[] = []
  #kept = 0
  length = 0

  constructor(max: number) {
    this.#max = max
  }

  add(part: Buffer): void {
    this.length += part.length
    if (this.length > this.#max) {
      this.#parts = []
      this.#kept = 0
    } else if (part.length > 0) {
      this.#parts.push(Buffer.from(part))
      this.#kept += part.length
    }
  }

  /** The piece, or undefined where it was too long to be kept. */
  get bytes(): Buffer | undefined {
    return this.#kept === this.length ? Buffer.concat(this.#parts) : undefined
  }
}

/** A piece of a stream, or the length of one that was longer than is kept. */
export type Cut = Buffer | number

/** Cuts a stream into lines, each without its line feed. */
export class Lines {
  readonly #max: number
  #line: Piece

  constructor(max: number) {
    this.#max = max
    this.#line = new Piece(max)
  }

  *write(chunk: Buffer): Generator<Cut> {
    let from = 0
    for (let to = chunk.indexOf(LINE_FEED); to !== -1; to = chunk.indexOf(LINE_FEED, from)) {
      this.#line.add(chunk.subarray(from, to))
      yield* this.rest()
      from = to + 1
    }
    this.#line.add(chunk.subarray(from))
  }

  /** The line that has no end. */
  *rest(): Generator<Cut> {
    const line = this.#line
    this.#line = new Piece(this.#max)
    yield line.bytes ?? line.length
  }
}

/** Cuts a stream of Amazon's event-stream messages into their payloads; reads no further where the stream is none. */
export class Frames {
  readonly #max: number
  #prelude: Buffer = Buffer.alloc(0)
  #frame: Piece
  #left = 0
  #broken = false

  constructor(max: number) {
    this.#max = max
    this.#frame = new Piece(max)
  }

  *write(chunk: Buffer): Generator<Cut> {
    for (let rest = chunk; rest.length > 0 && !this.#broken;) {
      if (this.#left === 0) {
        const missing = PRELUDE - this.#prelude.length
        this.#prelude = Buffer.concat([this.#prelude, rest.subarray(0, missing)])
        rest = rest.subarray(missing)
        if (this.#prelude.length === PRELUDE) this.#begin()
        continue
      }
      const part = rest.subarray(0, this.#left)
      this.#frame.add(part)
      this.#left -= part.length
      rest = rest.subarray(part.length)
      if (this.#left === 0) yield this.#end()
    }
  }

  #begin(): void {
    const [total, headers] = [this.#prelude.readUInt32BE(0), this.#prelude.readUInt32BE(4)]
    this.#left = total - PRELUDE
    this.#broken = crc32(this.#prelude.subarray(0, 8)) !== this.#prelude.readUInt32BE(8) || headers + CHECKSUM > this.#left
  }

  #end(): Cut {
    const [headers, frame] = [this.#prelude.readUInt32BE(4), this.#frame]
    this.#prelude = Buffer.alloc(0)
    this.#frame = new Piece(this.#max)
    return frame.bytes?.subarray(headers, -CHECKSUM) ?? frame.length
  }
}
