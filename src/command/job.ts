import * as z from 'zod'
import { Attachment, BranchName } from './command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from './ids.ts'
import { RunEvent } from './event.ts'
import { Code, Result } from './result.ts'

/*
 * What is said between a Worker and the container that works for it. Either side may be newer than the other: what it does not know it
 * passes over, and what is not said has a default. What is added later is added inside of a job, a standing or a report.
 */

/** Several messages that are carried out together are longer than one may be. */
const MAX_INSTRUCTION = 2_000_000
/** A longer conversation is not handed on; the agent then begins anew, and is told so. In bytes before base64, compressed. */
export const MAX_CONVERSATION_BYTES = 8 * 1024 * 1024

/** A command of the thread, as a container is given it. */
export const JobCommand = z.object({
  clientId: ClientId,
  userId: UserId,
  projectId: ProjectId,
  threadId: ThreadId,
  commandId: CommandId,
  sessionId: z.string().max(300),
  timestamp: z.number(),
  type: z.enum(['edit', 'merge']),
  instruction: z.string().max(MAX_INSTRUCTION),
  mode: z.enum(['execute', 'plan']).default('execute'),
  delivery: z.enum(['interrupt', 'queue']).default('queue'),
  userEmail: z.string().max(320).optional(),
  context: z.object({ branch: BranchName.optional() }).optional(),
  repoUrl: z.string().max(2000),
  maxCostUsd: z.number().positive().optional(),
  attachments: z.array(Attachment).default([]),
})

/** A conversation with the agent, from one container to the next. */
export const Session = z.object({
  id: z.uuid(),
  /** Its last message. */
  said: z.string().max(200).optional(),
  /** Gzip of the agent's own file, base64. */
  conversation: z.base64(),
})
export type Session = z.infer<typeof Session>

/** Work for a container: one command, and what a container needs that has nothing yet. */
export const Job = z
  .object({
    command: JobCommand,
    /** Commands that ended in a container which has gone since, before what they did could be pushed. They are carried out again first. */
    before: z.array(JobCommand).max(50).default([]),
    session: Session.optional(),
    /** Files of the thread that hold conflict markers, as far as is known. */
    conflicted: z.array(z.string().max(4096)).max(10_000).default([]),
    /** Token for the repository, where none is added on the way out. */
    credential: z.string().max(4000).optional(),
  })
  .meta({ id: 'Job' })
export type Job = z.infer<typeof Job>

/** How a job ended. */
export const JobReport = z
  .object({
    /** A reason that only a newer side knows is left out. */
    result: Result.extend({ code: Code.optional().catch(undefined) }),
    /** The commit that origin has of the thread. Without it nothing of it is there: nothing was changed, conflicts are left, or `push` says why. */
    pushed: z.string().optional(),
    /** Why what it did could not be pushed. */
    push: Result.optional(),
    /** What the thread has changed since it began. */
    files: z.array(z.string()).default([]),
    /** Of its commits, oldest first. */
    subjects: z.array(z.string()).default([]),
    /** Files that hold conflict markers. */
    unresolved: z.array(z.string()).default([]),
    session: Session.optional(),
  })
  .meta({ id: 'JobReport' })
export type JobReport = z.infer<typeof JobReport>

/** How a job stands. */
export const JobStanding = z
  .object({
    commandId: z.string(),
    state: z.enum(['working', 'pushing', 'ended']).catch('working'),
    /** What happened in its thread after the event that was asked for, oldest first; the rest with the next question. */
    events: z.array(RunEvent).default([]),
    report: JobReport.optional(),
  })
  .meta({ id: 'JobStanding' })
export type JobStanding = z.infer<typeof JobStanding>
