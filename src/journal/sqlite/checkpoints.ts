import { outcomeOf } from '../../command/ending.ts'
import type { CommandRecord } from '../journal.ts'
import { THREAD, threadValues } from './keys.ts'
import type { Statements } from './statements.ts'

const ADD = `INSERT INTO checkpoints (client_id, user_id, project_id, thread_id, commit_id, parent, subject, outcome, command_id, at, restores)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

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
    statements.prepare(ADD).run(...thread, made, parent, about, outcomeOf(ending), command.commandId, at, back)
  if (kept !== undefined) add(kept.commit, before, kept.subject, null)
  add(commit, kept?.commit ?? before, subject, restores ?? null)
}
