import type { Carried, Command } from '../command/command.ts'
import type { Ending } from '../command/ending.ts'
import { workspaceKey, type CommandId, type ThreadRef, type WorkspaceId } from '../command/ids.ts'
import type { Result, Skipped, Tokens } from '../command/result.ts'
import type { Spent, Usage } from '../command/spending.ts'

/** The ways by which commands come in and results go out. */
export type Way = 'http'

export type State = 'queued' | 'running' | 'saving' | 'ended'

/** One command in its workspace. */
export interface CommandRef {
  readonly workspace: WorkspaceId
  readonly commandId: CommandId
}

/** One string for each command of all workspaces. */
export const commandKey = ({ workspace, commandId }: CommandRef): string => `${workspaceKey(workspace)} ${commandId}`

export const refOf = (command: Command): CommandRef => ({ workspace: command, commandId: command.commandId })

/** What the next attempt is told of the one before. */
export interface Note {
  readonly reason: 'crash' | 'shutdown' | 'failure' | 'limit'
  /** The commit that holds what had been done by then. */
  readonly commit?: string | undefined
  /** It is not to begin before that, in ms since the epoch: the model answers nothing until then. */
  readonly until?: number | undefined
}

/** Where a conversation stood: behind the message `at`; without a session nothing had been said. */
export interface Talk {
  readonly sessionId?: string | undefined
  readonly at?: string | undefined
}

/** A commit that is about to go onto the branch of its thread, and why; enough to finish after a crash. */
export interface Saving {
  readonly ending: Ending
  readonly commit: string
  /** The tip of the branch before. */
  readonly before: string
  readonly subject: string
  readonly files: readonly string[]
  readonly skipped: readonly Skipped[]
  /** The work tree holds something else than the commit and has to follow it. */
  readonly checkout?: boolean
  /** The checkpoint that the commit restores. */
  readonly restores?: string | undefined
  /** The commit between `before` and this one, which holds what nobody had committed. */
  readonly kept?: { readonly commit: string; readonly subject: string }
  /** Messages steered into the run that the agent has read. */
  readonly read?: readonly CommandId[] | undefined
  /** The commit is the tip of a rebase, which made these out of former commits of the thread. */
  readonly rebased?: readonly { readonly from: string; readonly to: string; readonly parent: string }[]
}

export interface CommandRecord {
  readonly command: Command
  /** Place in the order of acceptance, growing over all workspaces. */
  readonly seq: number
  readonly way: Way
  readonly hash: string
  /** What earlier messages asked for that this one took along, oldest first. */
  readonly carried: readonly Carried[]
  /** The running command that it was steered into; it ends with that one. */
  readonly joins?: CommandId | undefined
  readonly state: State
  readonly attempt: number
  /** Attempts that ended with the service itself. */
  readonly crashes: number
  /** The command, or `user`, for which the run must give way. */
  readonly interruptedBy?: string | undefined
  readonly note?: Note | undefined
  readonly saving?: Saving | undefined
  readonly result?: Result | undefined
  readonly acceptedAt: number
  readonly begunAt?: number | undefined
  readonly endedAt?: number | undefined
}

export interface ThreadRecord {
  readonly ref: ThreadRef
  /** Random; belongs to this thread for ever and names its work tree. */
  readonly slot: string
  /** Counts from 0 over all threads; gives the slot its user. */
  readonly slotNumber: number
  /** The agent's conversation. */
  readonly sessionId: string
  /** Its last message, once there is one. */
  readonly said?: string | undefined
  /** Where it begins from when it is not there yet: the thread was taken back. */
  readonly begins?: Talk | undefined
  /** The commit that the thread began from, once it has been prepared. */
  readonly base?: string | undefined
  /** The commit whose files were laid out in its work tree before the thread was there. */
  readonly laidOut?: string | undefined
  readonly createdAt: number
  readonly lastActiveAt: number
  readonly costUsd: number
  readonly tokens: Tokens
}

/** A commit of the service on a thread's branch: a place the thread can be taken back to. */
export interface Checkpoint {
  readonly commit: string
  readonly parent: string
  readonly subject: string
  readonly outcome: string
  readonly commandId: CommandId
  readonly at: number
  readonly restores?: string | undefined
}

/** A slot that waits, made ready, for the next new thread of its workspace. */
export interface Spare {
  readonly workspace: WorkspaceId
  readonly slot: string
  readonly slotNumber: number
  readonly sessionId: string
  /** The commit whose files lie there; `undefined` until they all do. */
  readonly laidOut?: string | undefined
}

export interface DayCost extends Usage {
  /** UTC, such as 2026-11-21. */
  readonly day: string
  readonly requests: number
}

export interface Acceptance {
  readonly command: Command
  readonly hash: string
  readonly way: Way
  readonly at: number
  /** Begin in the same transaction: its lane is free. Not done where the thread has something unfinished. */
  readonly begin: boolean
  /** The command whose run must give way. */
  readonly interrupts?: CommandRef | undefined
  /** The command to steer into: done where that is an edit of the same thread and mode which runs and need not give way. */
  readonly joins?: CommandRef | undefined
}

export type Accepted =
  | { readonly outcome: 'done'; readonly record: CommandRecord; readonly superseded: readonly CommandRef[] }
  /** Known already, with the same body: `record` is the first one. */
  | { readonly outcome: 'duplicate'; readonly record: CommandRecord }
  /** Known already, with another body. */
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'lost' }

/** This journal has a newer owner, who finishes what its former one began. */
export class Fenced extends Error {
  constructor() {
    super('another service has taken over this workspace; nothing more is written')
    this.name = 'Fenced'
  }
}

/** A write failed: the disk is full or broken. Nothing of it was recorded. */
export class NotRecorded extends Error {
  constructor(cause: unknown) {
    super('the journal could not be written', { cause })
    this.name = 'NotRecorded'
  }
}

/** `lost`: the record was not in the state that the call takes it from, or this journal has a newer owner. Nothing was written. */
export type Answer = 'done' | 'lost'

export interface ThreadChange {
  readonly base?: string | undefined
  readonly said?: string | undefined
}

/** What becomes of messages that were steered into a run which has ended. */
export interface EndOptions {
  /** Queued in the same thread, it takes the message along, which was never heard; or whoever superseded it does. */
  readonly heir?: CommandId | undefined
  /** Messages steered into it that the agent has read end with it; where that is not known, all of them do. */
  readonly read?: readonly CommandId[] | undefined
  /** Takes those along that were not read; without it they are queued. */
  readonly heirOfUnread?: CommandId | undefined
  /** The checkpoint whose files were there already, so that there is no commit that restores it. */
  readonly restores?: string | undefined
}

export type Ended =
  | { readonly outcome: 'lost' }
  /** `steered`: what had been steered into it, ended or queued again, in the order of acceptance. */
  | { readonly outcome: 'done'; readonly steered: readonly CommandRecord[] }

export interface Requeue {
  /** False where the attempt is nobody's fault: a shutdown. */
  readonly counted: boolean
  readonly crashed: boolean
  readonly note: Note
  readonly at: number
}

export interface Delivery {
  readonly eventId: string
  readonly way: Way
  readonly workspace: WorkspaceId
  readonly result: Result
  readonly tries: number
}

export interface Page {
  readonly limit: number
  /** Only what comes after this position, in the order of the listing. */
  readonly after?: number | undefined
}

/**
 * The durable record: what was accepted, what is in work, how it ended.
 *
 * A method is one whole transaction, durable when its promise resolves. Each is conditional on the state it takes the
 * record from and on the owner's epoch, and says as a value whether it took place. One that cannot be made durable is rejected
 * with `NotRecorded`.
 */
export interface Journal extends AsyncDisposable {
  /** Rises by one with every owner. */
  readonly epoch: number
  /** Aborts when a write finds that there is a newer owner. */
  readonly lost: AbortSignal

  /** Whether it can be written; asked by writing where the last write failed. */
  writable(): Promise<boolean>

  /** Records a command. A queued edit that it supersedes ends in the same transaction, its text taken along. */
  accept(acceptance: Acceptance): Promise<Accepted>
  /** queued → running; raises the attempt, so that a crash counts. `undefined`: lost. */
  begin(of: CommandRef, at: number): Promise<CommandRecord | undefined>
  /** Notes on a command that is not ended that it must give way. */
  interrupt(of: CommandRef, by: string): Promise<Answer>
  /** running → saving: the commit is made, the branch is about to move. */
  saving(of: CommandRef, saving: Saving): Promise<Answer>
  /**
   * → ended: the result, its delivery, the checkpoint and the thread's totals, all at once. Attachments are not kept any longer.
   * What was steered into it ends with the same result; a restored checkpoint takes the conversation along.
   */
  end(of: CommandRef, result: Result, options?: EndOptions): Promise<Ended>
  /** → queued again, with what the next attempt should know. A commit made by then becomes a checkpoint. */
  requeue(of: CommandRef, how: Requeue): Promise<Answer>

  /** The thread, created where it is not known. @throws Fenced */
  openThread(ref: ThreadRef, at: number): Promise<ThreadRecord>
  /** Adds to what a command, its thread, and its user have spent on a day (UTC); answers the totals. */
  spend(of: CommandRef, day: string, usage: Usage): Promise<Spent>
  /** What has been spent by now, and what of it by this command; `used` is undefined where no model was asked. */
  spent(of: CommandRef, day: string): Promise<Spent & { readonly used: Usage | undefined }>
  /** What a user has spent, newest day first. */
  dayCosts(of: Pick<WorkspaceId, 'clientId' | 'userId'>, limit: number): Promise<readonly DayCost[]>
  /** Commands that were steered into this one, in the order of acceptance. */
  steeredInto(of: CommandRef): Promise<readonly CommandRecord[]>
  /** The spare slot of a workspace, reserved where there is none. @throws Fenced */
  reserveSpare(workspace: WorkspaceId): Promise<Spare>
  /** Its files are all there; the next new thread of the workspace takes it. */
  spareReady(workspace: WorkspaceId, laidOut: string | undefined): Promise<Answer>
  spares(): Promise<readonly Spare[]>
  updateThread(ref: ThreadRef, change: ThreadChange): Promise<Answer>
  /**
   * The name that an id has on disk and in refs, within a scope: the id itself, or where another one differs
   * from it only in letter case, with `+` and a hash behind it. The same for ever.
   */
  nameFor(scope: string, id: string): Promise<string>

  /** Removes at most `limit` commands that ended before `before` and whose results have arrived; answers how many. Their ids may be used again then. */
  forget(before: number, limit: number): Promise<number>

  outboxDue(at: number, limit: number): Promise<readonly Delivery[]>
  outboxSent(eventId: string): Promise<void>
  /** Not delivered this time: due again at `at`. */
  outboxRefused(eventId: string, at: number): Promise<void>

  command(of: CommandRef): Promise<CommandRecord | undefined>
  /** Commands with this id in any workspace; there may be several. */
  commandsCalled(commandId: CommandId): Promise<readonly CommandRecord[]>
  unfinished(): Promise<readonly CommandRecord[]>
  /** Newest first. */
  history(ref: ThreadRef, page: Page): Promise<readonly CommandRecord[]>
  thread(ref: ThreadRef): Promise<ThreadRecord | undefined>
  /** Newest activity first; the position is the number of threads passed over. */
  threads(of: { readonly clientId: string; readonly userId: string; readonly projectId: string }, page: Page): Promise<readonly ThreadRecord[]>
  everyThread(): Promise<readonly ThreadRecord[]>
  /** Oldest first. */
  checkpoints(ref: ThreadRef): Promise<readonly Checkpoint[]>
}
