import type { CommandId } from '../command/ids.ts'
import { commandKey, refOf, type CommandRecord, type CommandRef } from '../journal/journal.ts'

/** A run that hears what is steered into it. */
interface Hearing {
  /** Those that the agent has read. */
  read: ReadonlySet<CommandId>
  give: (record: CommandRecord) => void
}

/**
 * Messages on their way into running edits. The journal says which belong to which run; this says what became of them there.
 */
export class Steered {
  readonly #hearing = new Map<string, Hearing>()
  readonly #given = new Map<string, CommandRef[]>()

  /** From here on messages are handed to `give`; until `close`. */
  open(of: CommandRef, give: Hearing['give']): { read: ReadonlySet<CommandId> } {
    const hearing: Hearing = { read: new Set(), give }
    this.#hearing.set(commandKey(of), hearing)
    return hearing
  }

  /** A message was recorded as one for this run. Where that hears no more, it is queued when the run ends. */
  give(of: CommandRef, record: CommandRecord): void {
    this.#given.set(commandKey(of), [...(this.#given.get(commandKey(of)) ?? []), refOf(record.command)])
    this.#hearing.get(commandKey(of))?.give(record)
  }

  /** Those that the agent has read; `undefined` where that is not known, since the run was another service's. */
  read(of: CommandRef): readonly CommandId[] | undefined {
    const read = this.#hearing.get(commandKey(of))?.read
    return read === undefined ? undefined : [...read]
  }

  /** The run has ended; answers what was steered into it since this service was started, the last one first. */
  close(of: CommandRef): readonly CommandRef[] {
    const given = this.#given.get(commandKey(of)) ?? []
    this.#given.delete(commandKey(of))
    this.#hearing.delete(commandKey(of))
    return given.toReversed()
  }
}
