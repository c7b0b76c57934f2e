import type { Agent } from '../agent/claude-code.ts'
import type { CommandId } from '../command/ids.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { addition } from './prompt.ts'

/** What is steered into one turn of an agent: told with its message, or while it works. */
export class SteeredIn {
  readonly #agent: Agent
  readonly #together = new Set<CommandId>()
  readonly #late = new Set<CommandId>()
  #early: CommandRecord[] | undefined = []

  constructor(agent: Agent) {
    this.#agent = agent
  }

  /** A message has come. Where the turn cannot hear it any more it stays unread. */
  give(record: CommandRecord): void {
    const { commandId } = record.command
    if (this.#early !== undefined) this.#early.push(record)
    else if (!this.#together.has(commandId) && this.#agent.steer(addition(record), commandId)) this.#late.add(commandId)
  }

  /** Those that were there before: they go along with the message itself. */
  begin(known: readonly CommandRecord[]): readonly CommandRecord[] {
    for (const { command } of known) this.#together.add(command.commandId)
    return known
  }

  /** The turn is open: what came meanwhile is told. */
  open(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const record of early) this.give(record)
  }

  read(unread: readonly string[]): ReadonlySet<CommandId> {
    return new Set([...this.#together, ...[...this.#late].filter((id) => !unread.includes(id))])
  }
}
