import { randomUUID } from 'node:crypto'
import type { CommandId } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import type { Answer, CommandRecord, CommandRef, SteeredEnd } from '../journal.ts'
import { refOf } from '../journal.ts'
import { find, inherit, keyOf, takenAlong } from './accept.ts'
import { addCheckpoints } from './checkpoints.ts'
import { COMMAND, THREAD, threadValues, workspaceValues } from './keys.ts'
import { commandFrom } from './rows.ts'
import type { Statements } from './statements.ts'

/** The transaction that ends a command, and with it everything that was steered into it. */
export function end(statements: Statements, of: CommandRef, result: Result, heir: CommandId | undefined, steered: SteeredEnd): Answer {
  const record = find(statements, of)
  if (record === undefined || record.state === 'ended') return 'lost'
  addCheckpoints(statements, record, result.timestamp)
  if (heir !== undefined) inherit(statements, record, heir)
  finish(statements, of, result)
  endSteered(statements, record, result, steered)
  statements.prepare(`UPDATE threads SET last_active_at = ? WHERE ${THREAD}`).run(result.timestamp, ...threadValues(record.command))
  return 'done'
}

/** The result and its delivery. */
export function finish(statements: Statements, of: CommandRef, result: Result): void {
  const [clientId, userId, projectId] = workspaceValues(of.workspace)
  statements
    .prepare(
      `UPDATE commands SET state = 'ended', result = ?, ended_at = ?, saving = NULL, note = NULL, carried = '[]',
         command = json_set(command, '$.attachments', json('[]')) WHERE ${COMMAND}`,
    )
    .run(JSON.stringify(result), result.timestamp, ...keyOf(of))
  statements
    .prepare('INSERT INTO outbox (event_id, way, client_id, user_id, project_id, result, due_at) SELECT ?, way, ?, ?, ?, ?, ? FROM commands WHERE ' + COMMAND)
    .run(randomUUID(), clientId, userId, projectId, JSON.stringify(result), result.timestamp, ...keyOf(of))
}

/** What was steered into a command, in the order of acceptance. */
export function steeredInto(statements: Statements, { workspace, commandId }: CommandRef): readonly CommandRecord[] {
  return statements
    .prepare("SELECT * FROM commands WHERE client_id = ? AND user_id = ? AND project_id = ? AND joins = ? AND state <> 'ended' ORDER BY seq")
    .all(...workspaceValues(workspace), commandId)
    .map(commandFrom)
}

function endSteered(statements: Statements, record: CommandRecord, result: Result, { read, heir }: SteeredEnd): void {
  // The last first: an heir puts what it inherits before what it has.
  for (const each of steeredInto(statements, refOf(record.command)).toReversed()) {
    const { commandId, sessionId } = each.command
    if (read?.includes(commandId) ?? true) {
      // What it cost is told once, by the run's own command.
      const { costUsd: _cost, tokens: _tokens, ...same } = result
      finish(statements, refOf(each.command), { ...same, commandId, sessionId, joined: `${record.command.commandId}#${record.attempt}` })
    } else if (heir !== undefined) {
      inherit(statements, each, heir)
      finish(statements, refOf(each.command), takenAlong(heir, each.command, result.timestamp))
    } else {
      statements.prepare(`UPDATE commands SET state = 'queued', joins = NULL, attempt = 0, begun_at = NULL WHERE ${COMMAND}`).run(...keyOf(refOf(each.command)))
    }
  }
}
