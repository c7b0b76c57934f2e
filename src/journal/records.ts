import type { Carried, Command } from '../command/command.ts'
import type { Ending } from '../command/ending.ts'
import { workspaceKey, type CommandId, type ThreadId, type ThreadRef, type WorkspaceId } from '../command/ids.ts'
import type { Result, Skipped, Tokens } from '../command/result.ts'
import type { Usage } from '../command/spending.ts'

/** The ways by which commands come in and results go out. */
export type Way = 'http' | 'sqs' | 'github'

/** Where else than to open requests the result of a command goes. */
export interface Reply {
  readonly way: Exclude<Way, 'http'>
  /** The queue, or the repository, that it came by. */
  readonly from: string
  /** Where its result goes, as its way writes that: a queue, or a place on GitHub. */
  readonly to: string
  /** The message or delivery that asked for it: the same one again asks for nothing more. */
  readonly id: string
}

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
  /** The commit merges another branch, and these files hold conflict markers. */
  readonly conflicts?: readonly string[]
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
  /** Everyone who sent it by a way that answers by itself. */
  readonly replies: readonly Reply[]
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

export interface Delivery {
  /** The same each time it is tried. */
  readonly eventId: string
  readonly way: Way
  /** Where it goes, as its way writes that. */
  readonly to?: string | undefined
  readonly workspace: WorkspaceId
  readonly threadId: ThreadId
  readonly result: Result
  readonly tries: number
}

/** A message that could not be taken or carried out, kept for a person to look at. */
export interface DeadLetter {
  /** ms since the epoch. */
  readonly at: number
  readonly reason: string
  /** The queue that it came from. */
  readonly source?: string | undefined
  readonly threadId?: string | undefined
  readonly commandId?: string | undefined
  /** A command that was accepted and given up after all its attempts; else the message was never accepted. */
  readonly givenUp?: true | undefined
  /** What was sent, as far as it may be kept. */
  readonly body: string
}

/** What the sender of a message that is not taken is told. */
export interface Refused {
  readonly thread: ThreadRef
  /** The queue that it is told by. */
  readonly to: string
  readonly result: Result
}

export interface BuriedLetter extends DeadLetter {
  /** Grows with every letter. */
  readonly n: number
}

/** Something that happened elsewhere and was told to us, and that is not a command yet. */
export interface Told {
  /** Of its delivery: the same one again is a duplicate. */
  readonly id: string
  /** What happened, in one string: told once more by another delivery, it is a duplicate too. */
  readonly meaning: string
  /** What is told of one line is taken in the order in which it was told. */
  readonly line: string
  readonly content: string
  /** ms since the epoch. */
  readonly at: number
}

export interface InboxEntry extends Told {
  /** Grows with every entry. */
  readonly n: number
  readonly tries: number
}
