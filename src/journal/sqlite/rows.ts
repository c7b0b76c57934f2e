import type { SQLOutputValue } from 'node:sqlite'
import { ClientId, CommandId, ProjectId, ThreadId, UserId, type WorkspaceId } from '../../command/ids.ts'
import type { BuriedLetter, Checkpoint, CommandRecord, DayCost, DeadLetter, Delivery, Spare, ThreadRecord, Way } from '../journal.ts'

type Row = Record<string, SQLOutputValue>

const text = (row: Row, column: string): string => String(row[column])
const optionalText = (row: Row, column: string): string | undefined => (row[column] === null ? undefined : text(row, column))
const number = (row: Row, column: string): number => Number(row[column])
const optionalNumber = (row: Row, column: string): number | undefined => (row[column] === null ? undefined : number(row, column))
/** The journal's own JSON, written by this file's counterpart; its columns are not reachable from outside. */
const json = <Shape>(row: Row, column: string): Shape => JSON.parse(text(row, column))
const optionalJson = <Shape>(row: Row, column: string): Shape | undefined => (row[column] === null ? undefined : json<Shape>(row, column))

const WAYS = ['http', 'sqs', 'github'] as const
const wayOf = (row: Row): Way => WAYS.find((way) => way === row['way']) ?? 'http'

const STATES = ['queued', 'running', 'saving', 'ended'] as const

export function commandFrom(row: Row): CommandRecord {
  return {
    command: json(row, 'command'),
    seq: number(row, 'seq'),
    way: wayOf(row),
    replies: json(row, 'replies'),
    hash: text(row, 'hash'),
    carried: json(row, 'carried'),
    joins: row['joins'] === null ? undefined : CommandId.parse(row['joins']),
    state: STATES.find((state) => state === row['state']) ?? 'ended',
    attempt: number(row, 'attempt'),
    crashes: number(row, 'crashes'),
    interruptedBy: optionalText(row, 'interrupted_by'),
    note: optionalJson(row, 'note'),
    saving: optionalJson(row, 'saving'),
    result: optionalJson(row, 'result'),
    acceptedAt: number(row, 'accepted_at'),
    begunAt: optionalNumber(row, 'begun_at'),
    endedAt: optionalNumber(row, 'ended_at'),
  }
}

const workspaceOf = (row: Row): WorkspaceId => ({
  clientId: ClientId.parse(row['client_id']),
  userId: UserId.parse(row['user_id']),
  projectId: ProjectId.parse(row['project_id']),
})

export function threadFrom(row: Row): ThreadRecord {
  return {
    ref: { ...workspaceOf(row), threadId: ThreadId.parse(row['thread_id']) },
    slot: text(row, 'slot'),
    slotNumber: number(row, 'slot_number'),
    sessionId: text(row, 'session_id'),
    said: optionalText(row, 'said'),
    begins: optionalJson(row, 'begins'),
    laidOut: optionalText(row, 'laid_out'),
    base: optionalText(row, 'base'),
    createdAt: number(row, 'created_at'),
    lastActiveAt: number(row, 'last_active_at'),
    costUsd: number(row, 'cost_usd'),
    tokens: json(row, 'tokens'),
  }
}

export function checkpointFrom(row: Row): Checkpoint {
  return {
    commit: text(row, 'commit_id'),
    parent: text(row, 'parent'),
    subject: text(row, 'subject'),
    outcome: text(row, 'outcome'),
    commandId: CommandId.parse(row['command_id']),
    at: number(row, 'at'),
    restores: optionalText(row, 'restores'),
  }
}

export function deliveryFrom(row: Row): Delivery {
  return {
    eventId: text(row, 'event_id'),
    way: wayOf(row),
    to: optionalText(row, 'reply_to'),
    workspace: workspaceOf(row),
    threadId: ThreadId.parse(row['thread_id']),
    result: json(row, 'result'),
    tries: number(row, 'tries'),
  }
}

export function letterFrom(row: Row): BuriedLetter {
  return { n: number(row, 'n'), ...json<DeadLetter>(row, 'letter') }
}

export function spareFrom(row: Row): Spare {
  return {
    workspace: workspaceOf(row),
    slot: text(row, 'slot'),
    slotNumber: number(row, 'slot_number'),
    sessionId: text(row, 'session_id'),
    laidOut: optionalText(row, 'laid_out'),
  }
}

/** Sums over rows of `spending`. */
export function usageFrom(row: Row): Omit<DayCost, 'day'> {
  return {
    costUsd: number(row, 'cost_usd'),
    tokens: { input: number(row, 'input'), output: number(row, 'output'), cacheRead: number(row, 'cache_read'), cacheWrite: number(row, 'cache_write') },
    requests: number(row, 'requests'),
  }
}
