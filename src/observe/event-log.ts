import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
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
    const kept = this.#kept(after) // no event can come between these two lines
    this.#listeners.add(listen)
    const ended = (): void => wake()
    stop.addEventListener('abort', ended)
    try {
      for (const event of kept) {
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

  #kept(after: string | undefined): readonly RunEvent[] {
    const events = [this.#former, this.#file].flatMap((file) => eventsIn(file))
    const from = after === undefined ? undefined : positionOf(after)
    if (from === undefined || after === undefined) return events
    const later = events.filter((event) => isAfter(positionOf(event.id) ?? from, from))
    const [oldest, first] = [events[0], later[0]]
    const missed = first !== undefined && oldest === first && events.every((event) => event.id !== after)
    return missed ? [{ id: after, at: first.at, threadId: this.#threadId, type: 'gap', from: after, to: first.id }, ...later] : later
  }
}

function eventsIn(file: string): readonly RunEvent[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as RunEvent] // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by append above
      } catch {
        return [] // the service was ended in the middle of this line
      }
    })
}
