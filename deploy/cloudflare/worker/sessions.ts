import type { Session } from '../../../src/command/job.ts'
import type { Database } from './database.ts'

/** A value may be 2 MB; a conversation is kept in pieces of so many characters. */
const PIECE = 1_000_000
/** One that nobody has gone on with for so long is forgotten; the agent then begins anew, and is told so. */
const KEPT_MS = 60 * 24 * 60 * 60_000

/** Where the conversation of each thread stands. */
export class Sessions {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  of(threadId: string): Session | undefined {
    const parts = this.#db.rows('SELECT * FROM sessions WHERE thread_id = ? ORDER BY part', threadId)
    const [first] = parts
    if (first === undefined) return undefined
    const said = typeof first['said'] === 'string' ? { said: first['said'] } : {}
    return { id: String(first['id']), ...said, conversation: parts.map(({ text }) => String(text)).join('') }
  }

  /** To be called in a transaction. */
  keep(threadId: string, { id, said, conversation }: Session, at: number): void {
    this.#db.rows('DELETE FROM sessions WHERE thread_id = ?', threadId)
    for (let part = 0; part * PIECE < conversation.length; part += 1)
      this.#db.rows(
        'INSERT INTO sessions (thread_id, part, id, said, text, at) VALUES (?, ?, ?, ?, ?, ?)',
        threadId,
        part,
        id,
        said ?? null,
        conversation.slice(part * PIECE, (part + 1) * PIECE),
        at,
      )
  }

  forget(): void {
    this.#db.rows('DELETE FROM sessions WHERE at < ?', Date.now() - KEPT_MS)
  }
}
