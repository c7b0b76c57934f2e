import type { CommandId } from '../command/ids.ts'
import { commandKey, type CommandRecord, type CommandRef } from '../journal/journal.ts'

/** What hears messages that are steered into a run; before its agent is told anything, nothing does. */
export interface Hearing {
  /** Those that the agent has read. */
  read: ReadonlySet<CommandId>
  give: (record: CommandRecord) => void
}

/**
 * Messages on their way into running edits. The journal says which belong to which run; this says what became of them there.
 * One that a run could not hear is in the journal, and goes on from there when the run ends.
 */
export class Steered {
  readonly #hearings = new Map<string, Hearing>()

  /** A run begins; until `close` messages for it are handed to its `give`. */
  open(of: CommandRef): void {
    this.#hearings.set(commandKey(of), { read: new Set(), give: () => {} })
  }

  hearing(of: CommandRef): Hearing | undefined {
    return this.#hearings.get(commandKey(of))
  }

  /** Those that the agent of a run has read; `undefined` where this service has not begun it. */
  read(of: CommandRef): readonly CommandId[] | undefined {
    const read = this.hearing(of)?.read
    return read === undefined ? undefined : [...read]
  }

  close(of: CommandRef): void {
    this.#hearings.delete(commandKey(of))
  }
}
