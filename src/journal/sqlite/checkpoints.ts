import { outcomeOf } from '../../command/ending.ts'
import { randomUUID } from 'node:crypto'
import type { CommandRecord, Talk } from '../journal.ts'
import { THREAD, threadValues } from './keys.ts'
import { threadFrom } from './rows.ts'
import type { ThreadRef } from '../../command/ids.ts'
import type { Statements } from './statements.ts'

const ADD = `INSERT INTO checkpoints (client_id, user_id, project_id, thread_id, commit_id, parent, subject, outcome, command_id, at, restores, talk)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** A commit that was made becomes a checkpoint; commits that a rebase replaced are known by their new names. */
export function addCheckpoints(statements: Statements, { command, saving }: CommandRecord, at: number): void {
  if (saving === undefined) return
  const { commit, before, subject, ending, restores, rebased, kept } = saving
  const thread = threadValues(command)
  for (const { from, to, parent } of rebased ?? []) {
    statements.prepare(`UPDATE checkpoints SET commit_id = ?, parent = ? WHERE commit_id = ? AND ${THREAD}`).run(to, parent, from, ...thread)
    statements.prepare(`UPDATE checkpoints SET restores = ? WHERE restores = ? AND ${THREAD}`).run(to, from, ...thread)
  }
  if (rebased !== undefined) return
  const add = (made: string, parent: string, about: string, back: string | null): unknown =>
    statements.prepare(ADD).run(...thread, made, parent, about, outcomeOf(ending), command.commandId, at, back, JSON.stringify(standing(statements, command)))
  if (kept !== undefined) add(kept.commit, before, kept.subject, null)
  if (restores !== undefined) takeConversationBack(statements, command, restores)
  add(commit, kept?.commit ?? before, subject, restores ?? null)
}

/** Where the conversation of a thread stands. */
function standing(statements: Statements, ref: ThreadRef): Talk {
  const row = statements.prepare(`SELECT * FROM threads WHERE ${THREAD}`).get(...threadValues(ref))
  if (row === undefined) return {}
  const { sessionId, said, begins } = threadFrom(row)
  return said === undefined ? (begins ?? {}) : { sessionId, at: said }
}

/**
 * The conversation goes back to where it stood at a checkpoint, as a new one that begins there; the former one is kept, because other
 * checkpoints stand in it. Where a commit is none of the thread's checkpoints, the conversation goes on as it is.
 */
export function takeConversationBack(statements: Statements, ref: ThreadRef, commit: string): void {
  const values = threadValues(ref)
  const found = statements.prepare(`SELECT talk FROM checkpoints WHERE commit_id = ? AND ${THREAD} ORDER BY n DESC LIMIT 1`).get(commit, ...values)
  const isBase = statements.prepare(`SELECT 1 FROM threads WHERE base = ? AND ${THREAD}`).get(commit, ...values) !== undefined
  const talk = found === undefined ? (isBase ? '{}' : null) : found['talk']
  if (talk === null || talk === undefined) return
  statements.prepare(`UPDATE threads SET session_id = ?, said = NULL, begins = ? WHERE ${THREAD}`).run(randomUUID(), talk, ...values)
}
