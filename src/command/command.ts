import * as z from 'zod'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from './ids.ts'

/** Longest instruction, in UTF-16 code units. */
const MAX_INSTRUCTION = 100_000
/** Largest attachment, in bytes before base64; the Messages API takes images of up to 5 MB. */
const MAX_ATTACHMENT_BYTES = 5_000_000
const MAX_ATTACHMENTS = 10

export const CommandType = z.enum(['edit', 'build', 'commit', 'push', 'preview'])
export const Mode = z.enum(['execute', 'plan'])
export const Delivery = z.enum(['interrupt', 'queue', 'steer'])

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode (it holds half of a surrogate pair)')
    .refine((value) => !value.includes('\0'), 'must not hold a NUL character')

const oneLine = (max: number) => text(max).regex(/^[^\p{Cc}]*$/u, 'must be one line without control characters')

export const Attachment = z
  .strictObject({
    name: oneLine(200).min(1),
    mediaType: z
      .enum([
        'image/png',
        'image/jpeg',
        'image/gif',
        'image/webp',
        'image/svg+xml',
        'application/pdf',
        'text/plain',
        'text/markdown',
        'text/csv',
        'text/html',
        'text/css',
        'application/json',
        'application/octet-stream',
      ])
      .describe('What the model is shown of it depends on this; `application/octet-stream` is a file that the agent may use and the model cannot read.'),
    data: z
      .base64()
      .max(Math.ceil((MAX_ATTACHMENT_BYTES * 4) / 3) + 4, `must be at most ${MAX_ATTACHMENT_BYTES} bytes, base64`)
      .describe('The content, base64.'),
  })
  .meta({ id: 'Attachment' })
export type Attachment = z.infer<typeof Attachment>

const BRANCH_RULE = 'must be the name of a branch, such as main'
/** What `git check-ref-format` takes for a branch, and no syntax of revisions. */
export const BranchName = oneLine(250)
  .regex(/^(?![-/.])[^\s~^:?*[\]\\]+$/, BRANCH_RULE)
  .refine((name) => !/\.\.|@\{|\/\/|\/\.|[./]$|\.lock(\/|$)/.test(name) && name !== '@', BRANCH_RULE)

/** What the sender knows of the thread's repository: the base of a new thread, and hints. */
const Context = z.object({
  branch: BranchName.optional().describe('The branch that a new thread starts from; by default the default branch of the repository.'),
  lastCommit: oneLine(100).optional(),
  filesModified: z.array(oneLine(4096)).max(10_000).optional(),
})

const shape = {
  commandId: CommandId.describe('The idempotency key, unique in a workspace: sent twice it gives one result.'),
  timestamp: z.int().nonnegative().describe('When the message was sent, in ms since the epoch.'),
  type: CommandType,
  instruction: text(MAX_INSTRUCTION).describe('What to do; for a commit its message.'),
  userEmail: oneLine(320).optional().describe('Recorded as trailer Requested-By.'),
  sessionId: oneLine(200).describe('The conversation, as the sender calls it; echoed in the result.'),
  context: Context.optional(),
  repoUrl: oneLine(2000).optional().describe('The repository of a workspace that does not exist yet; https only, without credentials.'),
  mode: Mode.describe('`plan` reads and answers but changes nothing.'),
  delivery: Delivery.describe(
    '`interrupt` stops what stands in its way; `queue` waits for it; `steer` is read by the edit that runs in the thread, and waits where none does.',
  ),
  maxCostUsd: z.number().positive().max(10_000).optional().describe('What this command may cost; reaching it ends the run with code `budget`.'),
  onRateLimit: z
    .enum(['wait', 'fail'])
    .optional()
    .describe('Where the model refuses to answer for a while: `wait` (the default) goes on when that is over, `fail` ends the command.'),
  attachments: z.array(Attachment).max(MAX_ATTACHMENTS).optional(),
}

/** The fields of a command that every way shares, for ways to build their own schema from. */
export const commandShape = shape

interface Asked {
  readonly type: z.infer<typeof CommandType>
  readonly instruction: string
  readonly mode: z.infer<typeof Mode>
}

/** What holds between the fields of a command, for `superRefine` of such a schema. */
export function fitTogether({ type, instruction, mode }: Asked, context: z.RefinementCtx): void {
  const wrong = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message })
  if ((type === 'edit' || type === 'commit') && instruction.trim() === '') wrong('instruction', 'must say what to do')
  if (mode === 'plan' && type !== 'edit') wrong('mode', 'plan is for edits only')
}

export const DEFAULT_DELIVERY = {
  edit: 'interrupt',
  build: 'interrupt',
  commit: 'queue',
  push: 'queue',
  preview: 'queue',
  restore: 'queue',
  merge: 'queue',
  write: 'queue',
} as const

/** Stands between messages that are carried out together. */
export const BETWEEN = '\n\n---\n\n'

/** An instruction that a later message took along before it had begun. */
export interface Carried {
  readonly commandId: CommandId
  readonly instruction: string
  readonly attachments: readonly Attachment[]
}

/** One message to a thread, validated, as the engine and the journal know it. */
export interface Command {
  readonly clientId: ClientId
  readonly userId: UserId
  readonly projectId: ProjectId
  readonly threadId: ThreadId
  readonly commandId: CommandId
  readonly sessionId: string
  readonly timestamp: number
  /**
   * `restore` takes the thread back to a checkpoint; its instruction is the sha, or empty for one step back. `merge` brings in a branch of
   * origin, named by its instruction, where that conflicts. `write` puts its attachment in place of the file that its instruction names.
   */
  readonly type: 'edit' | 'build' | 'commit' | 'push' | 'preview' | 'restore' | 'merge' | 'write'
  readonly instruction: string
  readonly mode: 'execute' | 'plan'
  readonly delivery: 'interrupt' | 'queue' | 'steer'
  readonly userEmail?: string | undefined
  /** Who sent it, as the service knows them: the name of a token. */
  readonly author?: string | undefined
  readonly context?: z.infer<typeof Context> | undefined
  readonly repoUrl?: string | undefined
  /** Of a `write`: the blob that its file was when it was opened; `undefined` for a new one. */
  readonly base?: string | undefined
  readonly maxCostUsd?: number | undefined
  readonly onRateLimit?: 'wait' | 'fail' | undefined
  readonly attachments: readonly Attachment[]
}

/** The same command again has the same hash: SHA-256, hex, over what it asks for, not over when or by which way it was sent. */
export async function commandHash(command: Command): Promise<string> {
  const { type, instruction, threadId, mode, repoUrl, base, attachments } = command
  const asked = JSON.stringify([
    type,
    instruction,
    threadId,
    mode,
    repoUrl ?? null,
    attachments.map((a) => [a.name, a.mediaType, a.data]),
    ...(base === undefined ? [] : [base]),
  ])
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(asked))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
