import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { BranchName, commandShape, DEFAULT_DELIVERY, fitTogether, type Command } from '../../command/command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId, type ThreadRef, type WorkspaceId } from '../../command/ids.ts'
import { PICTURE_FOLDER, PICTURE_NAME } from '../../engine/pictures.ts'
import { inWords } from '../../command/words.ts'
import { BadRepositoryUrl, requestedOrigin, type GitHubAccess } from '../../workspace/origin.ts'
import { invalid, invalidField, Problem } from './problem.ts'

const wait = z.boolean().optional().describe('`false` answers 202 at once instead of waiting for the result.')
const scope = { clientId: ClientId.optional(), userId: UserId.optional(), projectId: ProjectId.optional() }

export const ExecuteBody = z
  .strictObject({
    ...scope,
    threadId: ThreadId.optional().describe('The conversation; owns the branch `thread-{threadId}`.'),
    chatThreadId: ThreadId.optional().describe('Another name of `threadId`.'),
    ...commandShape,
    commandId: commandShape.commandId.optional(),
    timestamp: commandShape.timestamp.optional(),
    type: commandShape.type.default('edit'),
    instruction: commandShape.instruction.default(''),
    sessionId: commandShape.sessionId.optional(),
    mode: commandShape.mode.default('execute'),
    delivery: commandShape.delivery.optional(),
    wait,
  })
  .superRefine(fitTogether)
  .refine((body) => body.threadId === undefined || body.chatThreadId === undefined || body.threadId === body.chatThreadId, {
    path: ['chatThreadId'],
    message: 'must be the same as threadId, or left out',
  })
  .meta({ id: 'Execute' })

export const InitBody = z
  .strictObject({
    ...scope,
    threadId: ThreadId.optional(),
    repoUrl: commandShape.repoUrl,
    branch: BranchName.optional().describe('The branch that a new thread starts from.'),
  })
  .meta({ id: 'Init' })

export const ActionBody = z.strictObject({ commandId: CommandId.optional(), userEmail: commandShape.userEmail, wait }).meta({ id: 'Action' })

const checkpoint = z.string().regex(/^[0-9a-f]{7,64}$/, 'must be the commit of a checkpoint, 7 to 64 hex digits')

export const RestoreBody = z.strictObject({ ...ActionBody.shape, checkpoint }).meta({ id: 'Restore' })

export const LinkBody = z
  .strictObject({
    minutes: z
      .int('must be a whole number of minutes')
      .min(1, 'must be from 1 to 43200')
      .max(60 * 24 * 30, 'must be from 1 to 43200')
      .default(60 * 24 * 7)
      .describe('How long the link holds; a week by default, 30 days at most.'),
  })
  .meta({ id: 'Link' })

const MAX_CONTENT = 1_000_000
export const WriteBody = z
  .strictObject({
    ...ActionBody.shape,
    path: z
      .string()
      .min(1)
      .max(1000)
      .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a path below the root of the repository, such as src/pages/index.astro'),
    content: z
      .string()
      .max(MAX_CONTENT, 'must be at most 1,000,000 characters')
      .refine((text) => text.isWellFormed(), 'must be well-formed Unicode'),
    base: z
      .string()
      .regex(/^[0-9a-f]{40,64}$/, 'must be the ETag of the file as it was opened')
      .optional()
      .describe('The `ETag` of the file as it was opened; left out for a new one. Where it is another one by now nothing is written.'),
  })
  .meta({ id: 'Write' })

export const ModelKeyBody = z.strictObject({ key: z.string().trim().min(1).max(400) }).meta({ id: 'ModelKey' })

export const ShareBody = z
  .strictObject({
    role: z.enum(['view', 'work']),
    name: z
      .string()
      .trim()
      .min(1)
      .max(60)
      .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'must be one line without characters that are not seen')
      .default('guest')
      .describe('Under which name whoever follows the link is seen.'),
    minutes: LinkBody.shape.minutes,
  })
  .meta({ id: 'Share' })

export const PullRequestBody = z
  .strictObject({ title: z.string().min(1).max(250).optional(), body: z.string().max(60_000).optional(), base: BranchName.optional() })
  .meta({ id: 'PullRequest' })

export const ThreadPath = z.object({ clientId: ClientId, userId: UserId, threadId: ThreadId })
export const LinkedPicturePath = z.object({
  folder: z.string().regex(PICTURE_FOLDER),
  signature: z.string().regex(/^[\w-]{43}$/),
  name: z.string().regex(PICTURE_NAME),
})

export const PicturePath = ThreadPath.extend({ name: z.string().regex(PICTURE_NAME, 'must be the name of a picture, as a result has it') })
export const ConsolePath = z.object({ name: z.string().regex(/^[\w.-]{1,100}$/) })
export const UserPath = z.object({ clientId: ClientId, userId: UserId })
export const CommandPath = z.object({ commandId: CommandId })
const count = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a whole number')
  .transform(Number)
export const LetterPath = z.object({ n: count })
export const ScopeQuery = z.object(scope)
export const ProjectQuery = z.object({ projectId: ProjectId.optional() })
export const PageQuery = ProjectQuery.extend({
  limit: count.refine((value) => value >= 1 && value <= 200, 'must be from 1 to 200').optional(),
  after: count.optional(),
})
export const DaysQuery = z.object({ days: count.refine((value) => value >= 1 && value <= 400, 'must be from 1 to 400').optional() })
export const DiffQuery = ProjectQuery.extend({ from: checkpoint.optional(), to: checkpoint.optional() })
export const EventsQuery = ProjectQuery.extend({
  presence: z.enum(['true']).optional().describe('Be seen by the others who watch the thread, and hear of them: as events `presence`, which have no id.'),
})
export const FilesQuery = ProjectQuery.extend({
  at: checkpoint.optional(),
  path: z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes('\0'), 'must not hold a NUL character')
    .optional(),
})

/** What the operator has fixed; requests need not name it, and may name nothing else. */
export interface Defaults {
  readonly clientId: ClientId | undefined
  readonly userId: UserId | undefined
  readonly projectId: ProjectId | undefined
  readonly threadId: ThreadId | undefined
}

const DEFAULT_PROJECT = ProjectId.parse('project')

type Scope = { readonly clientId?: ClientId | undefined; readonly userId?: UserId | undefined; readonly projectId?: ProjectId | undefined }

/** @throws Problem 403 where the operator has fixed another one */
function chosen<Id extends string>(name: string, given: Id | undefined, configured: Id | undefined): Id | undefined {
  if (given !== undefined && configured !== undefined && given !== configured) throw new Problem(403, 'Not allowed', `${name}: this service serves another one`)
  return given ?? configured
}

/** @throws Problem 400 that names all that is missing, or 403 */
export function workspaceOf(given: Scope, defaults: Defaults, missing: string[] = []): WorkspaceId {
  const clientId = chosen('clientId', given.clientId, defaults.clientId)
  const userId = chosen('userId', given.userId, defaults.userId)
  const projectId = chosen('projectId', given.projectId, defaults.projectId) ?? DEFAULT_PROJECT
  if (clientId === undefined) missing.unshift('clientId')
  if (userId === undefined) missing.push('userId')
  if (clientId === undefined || userId === undefined || missing.length > 0) throw allMissing(missing)
  return { clientId, userId, projectId }
}

/** @throws Problem 400 that names all that is missing, or 403 */
export function threadOf(given: Scope & { readonly threadId?: ThreadId | undefined }, defaults: Defaults): ThreadRef {
  const threadId = given.threadId ?? defaults.threadId
  const workspace = workspaceOf(given, defaults, threadId === undefined ? ['threadId'] : [])
  if (threadId === undefined) throw allMissing(['threadId'])
  return { ...workspace, threadId }
}

const allMissing = (names: readonly string[]): Problem =>
  new Problem(
    400,
    'The request is not valid',
    names.map((name) => `${name}: is needed`).join('; '),
    names.map((name) => ({ pointer: `#/${name}`, detail: 'is needed' })),
  )

/** A command out of the body of `POST /api/execute`, with what a browser need not know filled in. */
export function commandOf(body: z.infer<typeof ExecuteBody>, idempotencyKey: string | undefined, defaults: Defaults, github: GitHubAccess): Command {
  const ref = threadOf({ ...body, threadId: body.threadId ?? body.chatThreadId }, defaults)
  const { instruction, type, mode, userEmail, context, repoUrl, maxCostUsd, onRateLimit, attachments = [] } = body
  return {
    ...ref,
    commandId: commandIdOf(body.commandId, idempotencyKey),
    sessionId: body.sessionId ?? ref.threadId,
    timestamp: body.timestamp ?? Date.now(),
    type,
    instruction,
    mode,
    delivery: body.delivery ?? DEFAULT_DELIVERY[type],
    userEmail,
    context,
    repoUrl: repoUrl === undefined ? undefined : checkedRepoUrl(repoUrl, github),
    maxCostUsd,
    onRateLimit,
    attachments,
  }
}

/** @throws Problem 400 for a URL that is not taken; answers it as it is stored */
export function checkedRepoUrl(url: string, { url: github }: GitHubAccess): string {
  try {
    return requestedOrigin(url, { url: github }).url
  } catch (error) {
    if (error instanceof BadRepositoryUrl) throw invalidField('#/repoUrl', error.message)
    throw error
  }
}

export function commandIdOf(inBody: CommandId | undefined, idempotencyKey: string | undefined): CommandId {
  if (idempotencyKey === undefined) return inBody ?? CommandId.parse(randomUUID())
  const parsed = CommandId.safeParse(idempotencyKey)
  if (!parsed.success) throw invalidField('Idempotency-Key', parsed.error.issues[0]?.message ?? 'is not valid')
  if (inBody !== undefined && inBody !== parsed.data) throw invalidField('Idempotency-Key', 'must be the same as commandId, or left out')
  return parsed.data
}

/** @throws Problem 400 that names every field that is wrong */
export function parsed<Shape extends z.ZodType>(where: 'body' | 'path' | 'query', shape: Shape, value: unknown): z.infer<Shape> {
  const result = shape.safeParse(value, { error: inWords })
  if (!result.success) throw invalid(where, result.error)
  return result.data
}
