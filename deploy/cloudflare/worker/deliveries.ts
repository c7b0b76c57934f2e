import type { Command } from '../../../src/command/command.ts'
import type { Result } from '../../../src/command/result.ts'
import type { Delivery } from '../../../src/journal/journal.ts'
import type { Database } from './database.ts'
import { StoredCommand, StoredResult } from './stored-job.ts'

/** A result on its way; what is kept of it is read when it is due. */
interface Due {
  readonly n: number
  readonly tries: number
  /** Since when it is on its way, in ms since the epoch. */
  readonly at: number
  readonly commandId: string
  /** @throws where what was kept cannot be read */
  readonly read: () => Delivery
}

/** Results on their way to their issues, until each has arrived; of one thread in order. */
export class Deliveries {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  /** To be called in a transaction. */
  put({ commandId, threadId }: Command, to: string, result: Result, at: number): void {
    this.#db.rows(
      'INSERT INTO outbox (command_id, thread_id, reply_to, result, at, due_at) VALUES (?, ?, ?, ?, ?, ?)',
      commandId,
      threadId,
      to,
      JSON.stringify(result),
      at,
      at,
    )
  }

  /** What may be delivered: of each thread its oldest, where that is due. */
  due(at: number): readonly Due[] {
    return this.#db
      .rows(
        `SELECT outbox.*, jobs.command FROM outbox JOIN jobs ON jobs.command_id = outbox.command_id WHERE due_at <= ?
           AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.thread_id = outbox.thread_id AND earlier.n < outbox.n) ORDER BY n LIMIT 20`,
        at,
      )
      .map(({ n, tries, at: since, command_id: commandId, reply_to: to, result, command }) => ({
        n: Number(n),
        tries: Number(tries),
        at: Number(since),
        commandId: String(commandId),
        read: () => {
          const workspace = StoredCommand.parse(JSON.parse(String(command)))
          const about = { eventId: String(n), way: 'github' as const, to: String(to), workspace, threadId: workspace.threadId }
          return { ...about, result: StoredResult.parse(JSON.parse(String(result))), tries: Number(tries) }
        },
      }))
  }

  sent(n: number): void {
    this.#db.rows('DELETE FROM outbox WHERE n = ?', n)
  }

  refused(n: number, at: number): void {
    this.#db.rows('UPDATE outbox SET tries = tries + 1, due_at = ? WHERE n = ?', at, n)
  }

  /** When a result is to be delivered next. */
  dueAt(): number | undefined {
    const [row] = this.#db.rows(
      'SELECT min(due_at) AS at FROM outbox WHERE NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.thread_id = outbox.thread_id AND earlier.n < outbox.n)',
    )
    return typeof row?.['at'] === 'number' ? row['at'] : undefined
  }
}
