import type { CommandRef, Accepted, Acceptance, CommandRecord, Reply } from '../journal.ts'
import { refOf } from '../journal.ts'
import type { Carried, Command } from '../../command/command.ts'
import type { CommandId } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import { mayTakeAlong, takenAlong, withWishes } from '../../command/superseded.ts'
import { putOut } from './outbox.ts'
import { commandFrom } from './rows.ts'
import { ensureThread } from './spares.ts'
import type { Statements } from './statements.ts'

/** The transaction that records a command, and with it everything that its arrival changes. */
export function accept(
  statements: Statements,
  { command, hash, way, reply, at, begin, interrupts, joins }: Acceptance,
  endWith: (of: CommandRef, result: Result) => void,
): Accepted {
  const known = find(statements, refOf(command))
  if (known !== undefined && known.hash !== hash) return { outcome: 'conflict' }
  if (known !== undefined) return { outcome: 'duplicate', record: reply === undefined ? known : alsoAnswer(statements, known, reply, at) }

  ensureThread(statements, command, at)
  const host = joins === undefined ? undefined : takesSteering(find(statements, joins), command)
  const before = lastUnfinished(statements, command)
  const superseded = before !== undefined && supersedes(command, before) ? before : undefined
  const carried = superseded === undefined ? [] : textsOf(superseded)
  const began = (begin && before === undefined) || host !== undefined
  statements
    .prepare(
      `INSERT INTO commands (client_id, user_id, project_id, thread_id, command_id, way, replies, hash, command, carried, joins, state, attempt, accepted_at, begun_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      command.clientId,
      command.userId,
      command.projectId,
      command.threadId,
      command.commandId,
      way,
      JSON.stringify(reply === undefined ? [] : [reply]),
      hash,
      JSON.stringify(superseded === undefined ? command : withWishes(command, superseded.command)),
      JSON.stringify(carried),
      host?.command.commandId ?? null,
      began ? 'running' : 'queued',
      began ? 1 : 0,
      at,
      began ? at : null,
    )
  if (superseded !== undefined) endWith(refOf(superseded.command), takenAlong(command.commandId, superseded.command, at))
  if (interrupts !== undefined) markInterrupted(statements, interrupts, command.commandId)
  const record = find(statements, refOf(command))
  if (record === undefined) throw new Error('a command that was just recorded is not there')
  return { outcome: 'done', record, superseded: superseded === undefined ? [] : [refOf(superseded.command)] }
}

/** Senders of one command that are answered by queues; more than anybody has. */
const MAX_REPLIES = 20

/** The command was sent once more, by another message: that one gets the result too, at once where there is one. The same message again gets nothing more. */
function alsoAnswer(statements: Statements, known: CommandRecord, reply: Reply, at: number): CommandRecord {
  if (known.replies.some(({ id }) => id === reply.id)) return known
  const replies = [...known.replies.slice(1 - MAX_REPLIES), reply]
  statements.prepare(`UPDATE commands SET replies = ? WHERE ${WHERE} AND command_id = ?`).run(JSON.stringify(replies), ...keyOf(refOf(known.command)))
  if (known.result !== undefined) putOut(statements, { ...known, replies: [reply] }, known.result, at)
  return { ...known, replies }
}

/** What a command asks for, with what it took along, oldest first. */
const textsOf = ({ command, carried }: CommandRecord): readonly Carried[] => [
  ...carried,
  { commandId: command.commandId, instruction: command.instruction, attachments: command.attachments },
]

/** Gives the texts of a command that was never heard to the one that took its place. */
export function inherit(statements: Statements, from: CommandRecord, heir: CommandId): void {
  let to = find(statements, { workspace: from.command, commandId: heir })
  for (const seen = new Set<string>(); to?.result?.supersededBy !== undefined && !seen.has(to.command.commandId);) {
    seen.add(to.command.commandId)
    to = find(statements, { workspace: from.command, commandId: to.result.supersededBy as CommandId }) // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by `supersededBy`
  }
  if (to?.state !== 'queued' || to.command.threadId !== from.command.threadId || to.command.type !== 'edit') return
  statements
    .prepare(`UPDATE commands SET carried = ?, command = ? WHERE ${WHERE} AND command_id = ?`)
    .run(JSON.stringify([...textsOf(from), ...to.carried]), JSON.stringify(withWishes(to.command, from.command)), ...keyOf(refOf(to.command)))
}

/** A message for a thread whose last one, of the same kind, has not begun takes that one's text along. */
const supersedes = (command: Command, before: CommandRecord): boolean =>
  before.state === 'queued' && before.attempt === 0 && before.note === undefined && mayTakeAlong(command, before)

/** The run into which a message is steered, where that can still hear it. */
function takesSteering(host: CommandRecord | undefined, { type, threadId, mode }: Command): CommandRecord | undefined {
  if (host?.state !== 'running' || host.interruptedBy !== undefined || host.joins !== undefined) return undefined
  return type === 'edit' && host.command.type === 'edit' && host.command.threadId === threadId && host.command.mode === mode ? host : undefined
}

const WHERE = 'client_id = ? AND user_id = ? AND project_id = ?'

export function keyOf({ workspace, commandId }: CommandRef): [string, string, string, CommandId] {
  return [workspace.clientId, workspace.userId, workspace.projectId, commandId]
}

export function find(statements: Statements, of: CommandRef): CommandRecord | undefined {
  const row = statements.prepare(`SELECT * FROM commands WHERE ${WHERE} AND command_id = ?`).get(...keyOf(of))
  return row === undefined ? undefined : commandFrom(row)
}

function lastUnfinished(statements: Statements, of: Command): CommandRecord | undefined {
  const row = statements
    .prepare(`SELECT * FROM commands WHERE ${WHERE} AND thread_id = ? AND state <> 'ended' ORDER BY seq DESC LIMIT 1`)
    .get(of.clientId, of.userId, of.projectId, of.threadId)
  return row === undefined ? undefined : commandFrom(row)
}

export function markInterrupted(statements: Statements, of: CommandRef, by: string): boolean {
  const { changes } = statements
    .prepare(`UPDATE commands SET interrupted_by = coalesce(interrupted_by, ?) WHERE ${WHERE} AND command_id = ? AND state <> 'ended'`)
    .run(by, ...keyOf(of))
  return changes === 1
}
