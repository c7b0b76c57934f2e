import { commandKey, type CommandRef } from '../journal/journal.ts'
import type { Entry } from './lanes.ts'

/** Which command has which place in the lanes. */
export class Places {
  readonly #entries = new Map<string, Entry>()
  readonly #commands = new WeakMap<Entry, CommandRef>()

  enter(of: CommandRef, entry: Entry): void {
    this.#commands.set(entry, of)
    this.#entries.set(commandKey(of), entry)
  }

  of(command: CommandRef): Entry | undefined {
    return this.#entries.get(commandKey(command))
  }

  commandOf(entry: Entry | undefined): CommandRef | undefined {
    return entry === undefined ? undefined : this.#commands.get(entry)
  }

  /** The command has ended; its turn may last a little longer. */
  ended(of: CommandRef): void {
    const entry = this.of(of)
    if (entry !== undefined) this.#commands.delete(entry)
  }

  leave(of: CommandRef): void {
    this.#entries.delete(commandKey(of))
  }
}
