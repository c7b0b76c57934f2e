import type { Result } from '../../command/result.ts'
import type { CommandRecord, CommandRef, DeadLetter, Ended, EndOptions } from '../journal.ts'
import { refOf } from '../journal.ts'
import { takenAlong } from '../../command/superseded.ts'
import { find, inherit, keyOf } from './accept.ts'
import { addCheckpoints, takeConversationBack } from './checkpoints.ts'
import { COMMAND, THREAD, threadValues, workspaceValues } from './keys.ts'
import { bury, putOut } from './outbox.ts'
import { commandFrom } from './rows.ts'
import type { Statements } from './statements.ts'

/** The transaction that ends a command, and with it everything that was steered into it. */
export function end(statements: Statements, of: CommandRef, result: Result, options: EndOptions): Ended {
  const record = find(statements, of)
  if (record === undefined || record.state === 'ended') return { outcome: 'lost' }
  addCheckpoints(statements, record, result.timestamp)
  if (record.saving === undefined && options.restores !== undefined) takeConversationBack(statements, record.command, options.restores)
  // An heir puts what it inherits before what it has, so the last one comes first.
  const steered = steeredInto(statements, of)
  for (const each of steered.toReversed()) endSteered(statements, each, record, result, options)
  if (options.heir !== undefined) inherit(statements, record, options.heir)
  finish(statements, of, result)
  if (options.givenUp !== undefined) bury(statements, { ...letterOf(record), givenUp: true, at: result.timestamp, reason: options.givenUp })
  statements.prepare(`UPDATE threads SET last_active_at = ? WHERE ${THREAD}`).run(result.timestamp, ...threadValues(record.command))
  return { outcome: 'done', steered: steered.flatMap((each) => find(statements, refOf(each.command)) ?? []) }
}

/** What is kept of a command that is given up: enough to hand it in again. */
function letterOf({ command, replies, carried }: CommandRecord): Omit<DeadLetter, 'at' | 'reason'> {
  const { threadId, attachments: _attachments, ...asked } = command
  const instruction = [...carried.map((each) => each.instruction), asked.instruction].join('\n\n')
  return { source: replies[0]?.from, threadId, commandId: command.commandId, body: JSON.stringify({ ...asked, instruction, chatThreadId: threadId }) }
}

/** The result and its delivery. */
export function finish(statements: Statements, of: CommandRef, result: Result): void {
  statements
    .prepare(
      `UPDATE commands SET state = 'ended', result = ?, ended_at = ?, saving = NULL, note = NULL, carried = '[]',
         command = json_set(command, '$.attachments', json('[]')) WHERE ${COMMAND}`,
    )
    .run(JSON.stringify(result), result.timestamp, ...keyOf(of))
  const record = find(statements, of)
  if (record !== undefined) putOut(statements, record, result, result.timestamp)
}

/** What was steered into a command, in the order of acceptance. */
export function steeredInto(statements: Statements, { workspace, commandId }: CommandRef): readonly CommandRecord[] {
  return statements
    .prepare("SELECT * FROM commands WHERE client_id = ? AND user_id = ? AND project_id = ? AND joins = ? AND state <> 'ended' ORDER BY seq")
    .all(...workspaceValues(workspace), commandId)
    .map(commandFrom)
}

function endSteered(statements: Statements, each: CommandRecord, host: CommandRecord, result: Result, { read, heirOfUnread }: EndOptions): void {
  const [of, { commandId, sessionId }] = [refOf(each.command), each.command]
  if (read?.includes(commandId) ?? true) {
    // What it cost is told once, by the run's own command.
    const { costUsd: _cost, tokens: _tokens, ...same } = result
    finish(statements, of, { ...same, commandId, sessionId, joined: `${host.command.commandId}#${host.attempt}` })
  } else if (heirOfUnread === undefined) {
    statements.prepare(`UPDATE commands SET state = 'queued', joins = NULL, attempt = 0, begun_at = NULL WHERE ${COMMAND}`).run(...keyOf(of))
  } else {
    inherit(statements, each, heirOfUnread)
    finish(statements, of, takenAlong(heirOfUnread, each.command, result.timestamp))
  }
}
