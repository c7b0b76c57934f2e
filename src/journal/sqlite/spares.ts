import { randomBytes, randomUUID } from 'node:crypto'
import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'
import type { Spare } from '../journal.ts'
import { THREAD, threadValues, WORKSPACE, workspaceValues } from './keys.ts'
import { spareFrom } from './rows.ts'
import type { Statements } from './statements.ts'

/** Numbers of slots are never used twice: each has a user of its own. */
const NEXT_NUMBER = '(SELECT coalesce(max(slot_number) + 1, 0) FROM (SELECT slot_number FROM threads UNION ALL SELECT slot_number FROM spares))'

/** A thread is known from its first message on; its slot is its own for ever: a spare one of its workspace, or a new one. */
export function ensureThread(statements: Statements, ref: ThreadRef, at: number): void {
  const values = threadValues(ref)
  const known = statements.prepare(`UPDATE threads SET last_active_at = max(last_active_at, ?) WHERE ${THREAD}`).run(at, ...values)
  if (known.changes > 0) return
  const row = statements.prepare(`SELECT * FROM spares WHERE ${WORKSPACE} AND laid_out IS NOT NULL`).get(...workspaceValues(ref))
  const spare = row === undefined ? undefined : spareFrom(row)
  if (spare !== undefined) statements.prepare('DELETE FROM spares WHERE slot_number = ?').run(spare.slotNumber)
  statements
    .prepare(
      `INSERT INTO threads (slot_number, client_id, user_id, project_id, thread_id, slot, session_id, laid_out, created_at, last_active_at)
       VALUES (coalesce(?, ${NEXT_NUMBER}), ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(spare?.slotNumber ?? null, ...values, spare?.slot ?? newSlot(), spare?.sessionId ?? randomUUID(), spare?.laidOut ?? null, at, at)
}

export function reserveSpare(statements: Statements, workspace: WorkspaceId): Spare | undefined {
  const values = workspaceValues(workspace)
  statements
    .prepare(
      `INSERT INTO spares (slot_number, client_id, user_id, project_id, slot, session_id) VALUES (${NEXT_NUMBER}, ?, ?, ?, ?, ?)
       ON CONFLICT (client_id, user_id, project_id) DO NOTHING`,
    )
    .run(...values, newSlot(), randomUUID())
  const row = statements.prepare(`SELECT * FROM spares WHERE ${WORKSPACE}`).get(...values)
  return row === undefined ? undefined : spareFrom(row)
}

const newSlot = (): string => randomBytes(6).toString('hex')
