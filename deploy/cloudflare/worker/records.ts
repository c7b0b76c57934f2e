import type { ThreadRef, WorkspaceId } from '../../../src/command/ids.ts'
import type { Answer, CommandRef, InboxEntry, Page, Told } from '../../../src/journal/journal.ts'
import type { Known, Records } from '../../../src/ways/github/desk.ts'
import { vouchedId } from '../../../src/ways/github/in/vouch.ts'
import type { Database } from './database.ts'
import type { JobStore } from './job-store.ts'

/** Deliveries are known for as long as GitHub may send them again, and somewhat longer. */
const KNOWN_MS = 30 * 24 * 60 * 60_000

/** What the GitHub way keeps of one repository, in its object. */
export class RepositoryRecords implements Records {
  readonly #db: Database
  readonly #jobs: JobStore
  constructor(db: Database, jobs: JobStore) {
    this.#db = db
    this.#jobs = jobs
  }

  readonly inbox = {
    put: async ({ id, meaning, line, content, at }: Told): Promise<Answer | 'duplicate'> => {
      const [made] = this.#db.rows(
        'INSERT INTO inbox (id, meaning, line, content, at, due_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING n',
        id,
        meaning,
        line,
        content,
        at,
        at,
      )
      return made === undefined ? 'duplicate' : 'done'
    },
    due: async (at: number, limit: number): Promise<readonly InboxEntry[]> =>
      this.#db
        .rows(
          `SELECT * FROM inbox WHERE content IS NOT NULL AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
             WHERE earlier.content IS NOT NULL AND earlier.line = inbox.line AND earlier.n < inbox.n) ORDER BY n LIMIT ?`,
          at,
          limit,
        )
        .map(({ n, id, meaning, line, content, at: told, tries }) => ({
          n: Number(n),
          id: String(id),
          meaning: String(meaning),
          line: String(line),
          content: String(content),
          at: Number(told),
          tries: Number(tries),
        })),
    done: async (n: number): Promise<Answer> => answerOf(this.#db.rows('UPDATE inbox SET content = NULL WHERE n = ? AND content IS NOT NULL RETURNING n', n)),
    drop: async (n: number): Promise<Answer> => answerOf(this.#db.rows('DELETE FROM inbox WHERE n = ? RETURNING n', n)),
    later: async (n: number, at: number): Promise<Answer> =>
      answerOf(this.#db.rows('UPDATE inbox SET tries = tries + 1, due_at = ? WHERE n = ? AND content IS NOT NULL RETURNING n', at, n)),
    knows: async (id: string): Promise<boolean> => this.#db.rows('SELECT 1 FROM inbox WHERE id = ?', id).length > 0,
  }

  /** An object is one workspace, so its memos need no other name; a repository that is renamed keeps them. */
  readonly memos = {
    recall: async (_: WorkspaceId, name: string): Promise<string | undefined> => {
      const [row] = this.#db.rows('SELECT text FROM memos WHERE name = ?', name)
      return row === undefined ? undefined : String(row['text'])
    },
    recallAll: async (_: WorkspaceId, beginning: string): Promise<ReadonlyMap<string, string>> =>
      new Map(
        this.#db
          .rows('SELECT name, text FROM memos WHERE name >= ? AND name < ? ORDER BY name', beginning, `${beginning}\u{10FFFF}`)
          .map(({ name, text }) => [String(name), String(text)]),
      ),
    remember: async (_: WorkspaceId, name: string, text: string | undefined): Promise<Answer> => {
      if (text === undefined) this.#db.rows('DELETE FROM memos WHERE name = ?', name)
      else this.#db.rows('INSERT INTO memos (name, text) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text', name, text)
      return 'done'
    },
  }

  async command({ commandId }: CommandRef): Promise<Known | undefined> {
    return this.#jobs.find(commandId)
  }

  async history({ threadId }: ThreadRef, { limit }: Page): Promise<readonly Known[]> {
    return this.#jobs.history(threadId, limit)
  }

  /** GitHub keeps what it sent for three days, and the log says which it was. */
  async bury(): Promise<void> {}

  /** The lines in which something is to be dealt with, and when that is due, soonest first; as many as are of interest. */
  lines(): readonly { readonly line: string; readonly dueAt: number }[] {
    return this.#db
      .rows(
        `SELECT line, due_at FROM inbox WHERE content IS NOT NULL AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
           WHERE earlier.content IS NOT NULL AND earlier.line = inbox.line AND earlier.n < inbox.n) ORDER BY due_at LIMIT 20`,
      )
      .map((row) => ({ line: String(row['line']), dueAt: Number(row['due_at']) }))
  }

  /** What was recorded and is not dealt with yet, oldest first, and how often that was tried; as many as are of interest. */
  waiting(): readonly { readonly id: string; readonly line: string; readonly tries: number; readonly nextAt: number }[] {
    return this.#db
      .rows('SELECT id, line, tries, due_at FROM inbox WHERE content IS NOT NULL ORDER BY n LIMIT 100')
      .map((row) => ({ id: String(row['id']), line: String(row['line']), tries: Number(row['tries']), nextAt: Number(row['due_at']) }))
  }

  /** How often it was tried to make a command of an issue for which somebody vouched; `undefined` where none waits. */
  triesOf(commandId: string): number | undefined {
    const [row] = this.#db.rows('SELECT tries FROM inbox WHERE id = ? AND content IS NOT NULL', vouchedId(commandId))
    return row === undefined ? undefined : Number(row['tries'])
  }

  /** Forgets deliveries that nobody will send again. */
  forget(): void {
    this.#db.rows('DELETE FROM inbox WHERE n IN (SELECT n FROM inbox WHERE content IS NULL AND at < ? ORDER BY n LIMIT 5000)', Date.now() - KNOWN_MS)
  }
}

const answerOf = (changed: readonly unknown[]): Answer => (changed.length > 0 ? 'done' : 'lost')
