import type { Command } from '../command/command.ts'
import type { CommandId, ThreadRef, WorkspaceId } from '../command/ids.ts'
import type { Result } from '../command/result.ts'
import type { Spent, Usage } from '../command/spending.ts'
import type {
  BuriedLetter,
  Checkpoint,
  CommandRecord,
  CommandRef,
  DayCost,
  DeadLetter,
  Delivery,
  InboxEntry,
  Note,
  Refused,
  Reply,
  Saving,
  Spare,
  ThreadRecord,
  Told,
  Way,
} from './records.ts'

export * from './records.ts'

export interface Acceptance {
  readonly command: Command
  readonly hash: string
  readonly way: Way
  /** Who is to get the result. A command that is known already answers to one more; at once, where it has ended. */
  readonly reply?: Reply | undefined
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

/** What was told by ways that answer before anything is decided. Its ids and meanings are known for as long as `forget` leaves them. */
export interface Inbox {
  /** Records it, durably, unless its id or its meaning is known. */
  put(told: Told): Promise<Answer | 'duplicate'>
  /** What is to be dealt with, oldest first: of each line its oldest entry, where that is due. */
  due(at: number, limit: number): Promise<readonly InboxEntry[]>
  /** It has been dealt with; its content is not kept any longer. */
  done(n: number): Promise<Answer>
  /** It cannot be dealt with, and is forgotten: told again, it is taken again. */
  drop(n: number): Promise<Answer>
  /** How many have not been dealt with. */
  size(): Promise<number>
  /** It could not be dealt with: due again at `at`. */
  later(n: number, at: number): Promise<Answer>
  knows(id: string): Promise<boolean>
  /** Removes at most `limit` entries that were told before `before` and have been dealt with; answers how many. */
  forget(before: number, limit: number): Promise<number>
}

/** Small texts by name that a way keeps of a workspace. */
export interface Memos {
  recall(of: WorkspaceId, name: string): Promise<string | undefined>
  /** Those whose names begin so, by name. */
  recallAll(of: WorkspaceId, beginning: string): Promise<ReadonlyMap<string, string>>
  /** `undefined` removes it. */
  remember(of: WorkspaceId, name: string, text: string | undefined): Promise<Answer>
}

/** This journal has a newer owner, or may have one by now, who finishes what its former one began. */
export class Fenced extends Error {
  constructor(why = 'another service has taken over this workspace') {
    super(`${why}; nothing more is written`)
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
  /** Another conversation, which this thread goes on with. */
  readonly sessionId?: string | undefined
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
  /** It is given up after all its attempts: kept as a dead letter, with this reason. */
  readonly givenUp?: string | undefined
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

  readonly inbox: Inbox
  readonly memos: Memos

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

  /** What may be delivered, first in first out: nothing overtakes an earlier delivery of the same way and thread that is due later. */
  outboxDue(at: number, limit: number): Promise<readonly Delivery[]>
  /** How many results have not arrived. */
  outboxSize(): Promise<number>
  outboxSent(eventId: string): Promise<void>
  /** Not delivered this time: due again at `at`. */
  outboxRefused(eventId: string, at: number): Promise<void>

  /** Keeps a dead letter, and puts what its sender is told on its way. @throws Fenced */
  bury(letter: DeadLetter, refused?: Refused): Promise<void>
  /** Oldest first; the position is the number of the letter. */
  deadLetters(page: Page): Promise<readonly BuriedLetter[]>
  /** It is kept elsewhere, or not wanted any more. `lost`: it is not there. */
  unbury(n: number): Promise<Answer>

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
