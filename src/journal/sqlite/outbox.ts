import { randomUUID } from 'node:crypto'
import type { ThreadRef } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import type { CommandRecord, DeadLetter, Delivery, Refused, Way } from '../journal.ts'
import { threadValues } from './keys.ts'
import { deliveryFrom } from './rows.ts'
import type { Statements } from './statements.ts'

/** A result sets out to everyone who is to get it; to nobody but open requests where it came by HTTP alone. */
export function putOut(statements: Statements, { command, replies }: Pick<CommandRecord, 'command' | 'replies'>, result: Result, at: number): void {
  if (replies.length === 0) insert(statements, command, { way: 'http' }, result, at)
  // One for each place: two messages of one sender ask for one answer.
  for (const reply of new Map(replies.map((each) => [`${each.way} ${each.to}`, each])).values()) insert(statements, command, reply, result, at)
}

function insert(statements: Statements, thread: ThreadRef, { way, to }: { readonly way: Way; readonly to?: string }, result: Result, at: number): void {
  statements
    .prepare('INSERT INTO outbox (event_id, way, reply_to, client_id, user_id, project_id, thread_id, result, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
    .run(randomUUID(), way, to ?? null, ...threadValues(thread), JSON.stringify(result), at)
}

export function outboxDue(statements: Statements, at: number, limit: number): readonly Delivery[] {
  const sameThread = ['client_id', 'user_id', 'project_id', 'thread_id', 'way'].map((name) => `earlier.${name} = outbox.${name}`).join(' AND ')
  return statements
    .prepare(
      `SELECT * FROM outbox WHERE due_at <= ? AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
         WHERE ${sameThread} AND earlier.rowid < outbox.rowid AND earlier.due_at > ?) ORDER BY rowid LIMIT ?`,
    )
    .all(at, at, limit)
    .map(deliveryFrom)
}

/** How much of the body of a dead letter is kept, and how many letters: the oldest make room for others. */
const MAX_BODY_CHARACTERS = 100_000
const MAX_LETTERS = 1000

export function bury(statements: Statements, letter: DeadLetter, refused?: Refused): void {
  const kept = { ...letter, body: letter.body.slice(0, MAX_BODY_CHARACTERS) }
  const { lastInsertRowid } = statements.prepare('INSERT INTO dead_letters (letter) VALUES (?)').run(JSON.stringify(kept))
  statements.prepare('DELETE FROM dead_letters WHERE n <= ?').run(Number(lastInsertRowid) - MAX_LETTERS)
  if (refused !== undefined) insert(statements, refused.thread, { way: 'sqs', to: refused.to }, refused.result, letter.at)
}
