import type { SQLOutputValue } from 'node:sqlite'
import type { WorkspaceId } from '../../command/ids.ts'
import type { Answer, Inbox, InboxEntry, Memos, Told } from '../journal.ts'
import { WORKSPACE, workspaceValues } from './keys.ts'
import type { Statements } from './statements.ts'
import type { Writer } from './writer.ts'

const answerOf = (changes: number | bigint): Answer => (Number(changes) > 0 ? 'done' : 'lost')

export class SqliteInbox implements Inbox {
  readonly #reading: Statements
  readonly #writer: Writer
  constructor(reading: Statements, writer: Writer) {
    this.#reading = reading
    this.#writer = writer
  }

  put({ id, meaning, line, content, at }: Told): Promise<Answer | 'duplicate'> {
    return this.#writer.write<Answer | 'duplicate'>((statements) => {
      const known = statements.prepare('SELECT 1 FROM inbox WHERE id = ? OR meaning = ?').get(id, meaning)
      if (known !== undefined) return 'duplicate'
      statements.prepare('INSERT INTO inbox (id, meaning, line, content, at, due_at) VALUES (?, ?, ?, ?, ?, ?)').run(id, meaning, line, content, at, at)
      return 'done'
    }, 'lost')
  }

  async due(at: number, limit: number): Promise<readonly InboxEntry[]> {
    return this.#reading
      .prepare(
        `SELECT * FROM inbox WHERE content IS NOT NULL AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
           WHERE earlier.content IS NOT NULL AND earlier.line = inbox.line AND earlier.n < inbox.n) ORDER BY n LIMIT ?`,
      )
      .all(at, limit)
      .map(entryFrom)
  }

  done(n: number): Promise<Answer> {
    return this.#writer.write<Answer>(
      (statements) => answerOf(statements.prepare('UPDATE inbox SET content = NULL WHERE n = ? AND content IS NOT NULL').run(n).changes),
      'lost',
    )
  }

  drop(n: number): Promise<Answer> {
    return this.#writer.write<Answer>((statements) => answerOf(statements.prepare('DELETE FROM inbox WHERE n = ?').run(n).changes), 'lost')
  }

  async size(): Promise<number> {
    return Number(this.#reading.prepare('SELECT count(*) AS size FROM inbox WHERE content IS NOT NULL').get()?.['size'])
  }

  later(n: number, at: number): Promise<Answer> {
    return this.#writer.write<Answer>(
      (statements) => answerOf(statements.prepare('UPDATE inbox SET tries = tries + 1, due_at = ? WHERE n = ? AND content IS NOT NULL').run(at, n).changes),
      'lost',
    )
  }

  async knows(id: string): Promise<boolean> {
    return this.#reading.prepare('SELECT 1 FROM inbox WHERE id = ?').get(id) !== undefined
  }

  forget(before: number, limit: number): Promise<number> {
    return this.#writer.write<number>(
      (statements) =>
        Number(
          statements.prepare('DELETE FROM inbox WHERE n IN (SELECT n FROM inbox WHERE content IS NULL AND at < ? ORDER BY n LIMIT ?)').run(before, limit)
            .changes,
        ),
      0,
    )
  }
}

function entryFrom(row: Record<string, SQLOutputValue>): InboxEntry {
  return {
    n: Number(row['n']),
    id: String(row['id']),
    meaning: String(row['meaning']),
    line: String(row['line']),
    content: String(row['content']),
    at: Number(row['at']),
    tries: Number(row['tries']),
  }
}

export class SqliteMemos implements Memos {
  readonly #reading: Statements
  readonly #writer: Writer
  constructor(reading: Statements, writer: Writer) {
    this.#reading = reading
    this.#writer = writer
  }

  async recall(of: WorkspaceId, name: string): Promise<string | undefined> {
    const row = this.#reading.prepare(`SELECT text FROM memos WHERE ${WORKSPACE} AND name = ?`).get(...workspaceValues(of), name)
    return row === undefined ? undefined : String(row['text'])
  }

  async recallAll(of: WorkspaceId, beginning: string): Promise<ReadonlyMap<string, string>> {
    const rows = this.#reading
      .prepare(`SELECT name, text FROM memos WHERE ${WORKSPACE} AND name >= ? AND name < ? ORDER BY name`)
      .all(...workspaceValues(of), beginning, `${beginning}\u{10FFFF}`)
    return new Map(rows.map(({ name, text }) => [String(name), String(text)]))
  }

  remember(of: WorkspaceId, name: string, text: string | undefined): Promise<Answer> {
    return this.#writer.write<Answer>((statements) => {
      const at = [...workspaceValues(of), name] as const
      if (text === undefined) statements.prepare(`DELETE FROM memos WHERE ${WORKSPACE} AND name = ?`).run(...at)
      else
        statements
          .prepare(
            `INSERT INTO memos (client_id, user_id, project_id, name, text) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (client_id, user_id, project_id, name) DO UPDATE SET text = excluded.text`,
          )
          .run(...at, text)
      return 'done'
    }, 'lost')
  }
}
