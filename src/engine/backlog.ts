import type { CommandRecord, CommandRef } from '../journal/journal.ts'
import type { Entry, Lanes } from './lanes.ts'
import type { Places } from './places.ts'
import { withdrawn } from './result.ts'
import { tellEnd } from './tell.ts'
import type { Tools } from './tools.ts'

interface Line {
  /** It gets a place again, at the end of its thread's line. */
  readonly again: (record: CommandRecord) => void
  /** There is a result to be delivered. */
  readonly ended: () => void
}

/** What can be done to messages that wait for their turn. */
export class Backlog {
  readonly #tools: Tools
  readonly #lanes: Lanes
  readonly #places: Places
  readonly #line: Line
  /** Those for which something else is being interrupted. */
  readonly #hurried = new WeakSet<Entry>()

  constructor(tools: Tools, lanes: Lanes, places: Places, line: Line) {
    this.#tools = tools
    this.#lanes = lanes
    this.#places = places
    this.#line = line
  }

  /**
   * Takes a message back. Answers its record; `undefined` where it has begun or is not there, and where it has interrupted or taken along
   * another one, whose text would be lost with it.
   */
  async withdraw(of: CommandRef): Promise<CommandRecord | undefined> {
    const record = await this.#tools.journal.command(of)
    const entry = this.#places.of(of)
    if (entry?.state !== 'waiting' || record?.state !== 'queued' || record.attempt > 0) return undefined
    if (record.carried.length > 0 || this.#hurried.has(entry) || this.#lanes.isAwaited(entry)) return undefined
    this.#lanes.leave(entry) // from here on nothing begins it
    this.#places.leave(of)
    const result = withdrawn(record)
    const { outcome } = await this.#tools.journal.end(of, result).catch((error: unknown) => {
      this.#line.again(record)
      throw error
    })
    if (outcome === 'lost') return undefined
    tellEnd(record, result, this.#tools)
    this.#line.ended()
    return record
  }

  /**
   * Interrupts what is in the way of a message that is next in its thread. Answers `behind` where others wait before it: messages are
   * carried out in the order in which they were accepted.
   */
  async hurry(of: CommandRef): Promise<'done' | 'behind' | 'begun'> {
    const entry = this.#places.of(of)
    if (entry?.state !== 'waiting') return 'begun'
    if (!this.#lanes.isNext(entry)) return 'behind'
    const inTheWay = this.#lanes.running(entry.place.thread)
    const running = this.#places.commandOf(inTheWay)
    if (inTheWay?.place.needsLane !== true || running === undefined) return 'done'
    this.#hurried.add(entry)
    if ((await this.#tools.journal.interrupt(running, of.commandId)) === 'done') this.#lanes.interrupt(inTheWay, of.commandId, entry)
    return 'done'
  }
}
