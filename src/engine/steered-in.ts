import type { Agent } from '../agent/claude-code.ts'
import type { CommandId } from '../command/ids.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { layOut } from './attachments.ts'
import { addition } from './prompt.ts'
import type { Thread } from './thread.ts'

/** What is steered into one turn of an agent: told with its message, or while it works. */
export class SteeredIn {
  readonly #agent: Agent
  readonly #home: Pick<Thread['home'], 'slot' | 'paths'>
  readonly #together = new Set<CommandId>()
  readonly #late = new Set<CommandId>()
  #early: CommandRecord[] | undefined = []
  #telling: Promise<void> = Promise.resolve()

  constructor(agent: Agent, home: Pick<Thread['home'], 'slot' | 'paths'>) {
    this.#agent = agent
    this.#home = home
  }

  /** A message has come. Where the turn cannot hear it any more it stays unread. */
  give(record: CommandRecord): void {
    if (this.#early === undefined) this.#telling = this.#telling.then(() => this.#tell(record))
    else this.#early.push(record)
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

  /** One after the other, so that they are read in the order in which they came. */
  async #tell(record: CommandRecord): Promise<void> {
    const { commandId, attachments } = record.command
    if (this.#together.has(commandId)) return
    try {
      const given = attachments.length === 0 ? [] : await layOut(attachments, this.#home)
      if (this.#agent.steer(addition(record, given), commandId)) this.#late.add(commandId)
    } catch {
      // its files cannot be laid out now: it stays unread, and has a turn of its own when this one is over
    }
  }
}
