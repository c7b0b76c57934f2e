import { appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { NewEvent, RunEvent } from '../command/event.ts'
import type { ThreadId } from '../command/ids.ts'
import type { Redact } from './redact.ts'

/** Half of what is kept of a thread's events, in bytes: one file being written, one full. */
const FILE_BYTES = 8 * 1024 * 1024
/** What a reader may be behind, in bytes, before it is dropped; it comes back with the id of its last event. */
const BEHIND_BYTES = 1024 * 1024

type Listener = (event: RunEvent) => void

interface Position {
  readonly epoch: number
  readonly n: number
}

const positionOf = (id: string): Position | undefined => {
  const [, epoch, n] = /^(\d{1,15})\.(\d{1,15})$/.exec(id) ?? []
  return n === undefined ? undefined : { epoch: Number(epoch), n: Number(n) }
}
const isAfter = (a: Position, b: Position): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n)

/** The events of one thread, numbered `{epoch}.{n}`, in an append-only file and to whoever watches. Best effort: no run waits for it. */
export class EventLog {
  readonly #folder: string
  readonly #threadId: ThreadId
  readonly #epoch: number
  readonly #redact: Redact
  readonly #listeners = new Set<Listener>()
  #last = 0
  #bytes: number

  constructor(folder: string, threadId: ThreadId, epoch: number, redact: Redact) {
    this.#folder = folder
    this.#threadId = threadId
    this.#epoch = epoch
    this.#redact = redact
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    this.#bytes = existsSync(this.#file) ? statSync(this.#file).size : 0
  }

  get #file(): string {
    return join(this.#folder, 'events.jsonl')
  }
  get #former(): string {
    return join(this.#folder, 'events.1.jsonl')
  }

  append(event: NewEvent): void {
    const line = this.#redact(JSON.stringify({ id: `${this.#epoch}.${++this.#last}`, at: Date.now(), threadId: this.#threadId, ...event }))
    try {
      if (this.#bytes > FILE_BYTES) {
        renameSync(this.#file, this.#former)
        this.#bytes = 0
      }
      appendFileSync(this.#file, `${line}\n`, { mode: 0o600 })
      this.#bytes += Buffer.byteLength(line) + 1
    } catch {
      // a full disk: events are for watching, the run goes on
    }
    const seen: RunEvent = JSON.parse(line)
    for (const listen of this.#listeners) listen(seen)
  }

  /** Hears every event from here on, as long as the log is there. */
  listen(listener: Listener): void {
    this.#listeners.add(listener)
  }

  /**
   * What came after the event with id `after` (all that is kept, without one), then what comes, until `stop`.
   * What is no longer kept is announced by a `gap`. A reader that falls too far behind is ended.
   */
  async *watch(after: string | undefined, stop: AbortSignal): AsyncGenerator<RunEvent, void> {
    const waiting: RunEvent[] = []
    let [behind, overrun] = [0, false]
    let wake = (): void => {}
    const listen: Listener = (event) => {
      behind += JSON.stringify(event).length
      overrun ||= behind > BEHIND_BYTES
      if (overrun) {
        waiting.length = 0
        this.#listeners.delete(listen)
      } else waiting.push(event)
      wake()
    }
    using kept = this.#kept() // no event can come between these two lines
    this.#listeners.add(listen)
    const ended = (): void => wake()
    stop.addEventListener('abort', ended)
    try {
      for (const event of this.#later(kept.events(), after)) {
        if (stop.aborted || overrun) return
        yield event
      }
      while (!stop.aborted && !overrun) {
        const event = waiting.shift()
        if (event === undefined) {
          behind = 0
          await new Promise<void>((resolve) => (wake = resolve))
        } else yield event
      }
    } finally {
      this.#listeners.delete(listen)
      stop.removeEventListener('abort', ended)
    }
  }

  /** What the files hold at this moment, read piece by piece: a reader may take its time, and there may be many. */
  #kept(): Disposable & { events(): Generator<RunEvent, void> } {
    const files = [this.#former, this.#file].filter((file) => existsSync(file)).map((file) => openSync(file, 'r'))
    const sizes = files.map((file) => fstatSync(file).size)
    return {
      *events() {
        for (const [at, file] of files.entries()) yield* eventsIn(file, sizes[at] ?? 0)
      },
      [Symbol.dispose]: () => files.forEach((file) => closeSync(file)),
    }
  }

  /** Those after an id; where some before the first of them are gone, a `gap` says so. */
  *#later(events: Iterable<RunEvent>, after: string | undefined): Generator<RunEvent, void> {
    const from = after === undefined ? undefined : positionOf(after)
    let before: 'nothing' | 'something' = 'nothing'
    let begun = false
    for (const event of events) {
      const later = from === undefined || isAfter(positionOf(event.id) ?? from, from)
      if (later && !begun && before === 'nothing' && after !== undefined && from !== undefined)
        yield { id: after, at: event.at, threadId: this.#threadId, type: 'gap', from: after, to: event.id }
      begun ||= later
      if (later) yield event
      else before = 'something'
    }
  }
}

const PIECE_BYTES = 64 * 1024

function* eventsIn(file: number, size: number): Generator<RunEvent, void> {
  const piece = Buffer.alloc(PIECE_BYTES)
  let rest = Buffer.alloc(0)
  for (let at = 0; at < size;) {
    const read = readSync(file, piece, 0, Math.min(PIECE_BYTES, size - at), at)
    if (read === 0) return
    at += read
    const text = Buffer.concat([rest, piece.subarray(0, read)])
    const end = text.lastIndexOf(10) + 1
    rest = text.subarray(end)
    for (const line of text.subarray(0, end).toString('utf8').split('\n')) {
      const event = eventOf(line)
      if (event !== undefined) yield event
    }
  }
}

function eventOf(line: string): RunEvent | undefined {
  try {
    return line === '' ? undefined : (JSON.parse(line) as RunEvent) // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by append above
  } catch {
    return undefined // the service was ended in the middle of this line
  }
}
