import * as z from 'zod'
import { commandShape, DEFAULT_DELIVERY, fitTogether, type Command } from '../../command/command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from '../../command/ids.ts'
import { inWords } from '../../command/words.ts'
import { BadRepositoryUrl, requestedOrigin } from '../../workspace/origin.ts'

/** A command as queues carry it; what it holds besides is passed over. */
const Body = z
  .object({
    ...commandShape,
    chatThreadId: ThreadId,
    userEmail: commandShape.userEmail.unwrap(),
    context: commandShape.context.unwrap(),
    clientId: ClientId.optional(),
    projectId: ProjectId.optional(),
    userId: UserId.optional(),
    mode: commandShape.mode.default('execute'),
    delivery: commandShape.delivery.optional(),
  })
  .superRefine(fitTogether)

/** Whom the container serves: what a message leaves out, and the only ones that it may name. */
export interface Served {
  readonly clientId: ClientId | undefined
  readonly userId: UserId | undefined
  readonly projectId: ProjectId | undefined
  /** The thread that a queue belongs to. */
  readonly threadId: ThreadId | undefined
}

export type Read =
  | { readonly kind: 'command'; readonly command: Command }
  /** `about`: what of it could be read all the same, so that its sender can be told. */
  | { readonly kind: 'unfit'; readonly problems: readonly string[]; readonly about: About }

export interface About extends Served {
  readonly commandId?: CommandId | undefined
  readonly sessionId?: string | undefined
}

const DEFAULT_PROJECT = ProjectId.parse('project')
const MAX_PROBLEMS = 20

/** Reads the body of a message: a command, or all that is wrong with it. */
export function readBody(text: string, served: Served): Read {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    return { kind: 'unfit', problems: [`body: is no JSON (${error instanceof Error ? error.message.slice(0, 100) : ''})`], about: served }
  }
  const { success, data, error } = Body.safeParse(parsed, { error: inWords })
  if (!success) {
    const problems = error.issues.map(({ path, message }) => `${path.length === 0 ? 'body' : path.map(String).join('.')}: ${message}`)
    return { kind: 'unfit', problems: problems.slice(0, MAX_PROBLEMS), about: aboutOf(parsed, served) }
  }
  const problems: string[] = []
  const clientId = chosen('clientId', data.clientId, served.clientId, problems)
  const userId = chosen('userId', data.userId, served.userId, problems)
  const projectId = chosen('projectId', data.projectId, served.projectId ?? (data.projectId === undefined ? DEFAULT_PROJECT : undefined), problems)
  const threadId = chosen('chatThreadId', data.chatThreadId, served.threadId, problems)
  const repoUrl = plainRepoUrl(data.repoUrl, problems)
  if (problems.length > 0 || clientId === undefined || userId === undefined || projectId === undefined || threadId === undefined)
    return { kind: 'unfit', problems, about: aboutOf(parsed, served) }
  const { chatThreadId: _named, attachments = [], delivery = DEFAULT_DELIVERY[data.type], ...rest } = data
  return { kind: 'command', command: { ...rest, clientId, userId, projectId, threadId, repoUrl, delivery, attachments } }
}

function chosen<Id extends string>(name: string, given: Id | undefined, configured: Id | undefined, problems: string[]): Id | undefined {
  if (given === undefined && configured === undefined) problems.push(`${name}: is needed, in the message or in the configuration of the service`)
  if (given !== undefined && configured !== undefined && given !== configured) problems.push(`${name}: this queue belongs to another one`)
  return given ?? configured
}

function plainRepoUrl(url: string | undefined, problems: string[]): string | undefined {
  if (url === undefined) return undefined
  try {
    return requestedOrigin(url, { url: '' }).url
  } catch (error) {
    if (!(error instanceof BadRepositoryUrl)) throw error
    problems.push(`repoUrl: ${error.message}`)
    return undefined
  }
}

/** Whose message it is, as far as it says so in the right form. */
function aboutOf(parsed: unknown, served: Served): About {
  // A result that strayed into an input is answered by nobody, or two queues would answer one another for ever.
  if (typeof parsed === 'object' && parsed !== null && 'success' in parsed && !('type' in parsed)) return served
  const field = <Shape extends z.ZodType>(name: string, shape: Shape): z.output<Shape> | undefined =>
    typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, name) ? shape.safeParse(Reflect.get(parsed, name)).data : undefined
  return {
    commandId: field('commandId', CommandId),
    sessionId: field('sessionId', commandShape.sessionId),
    threadId: served.threadId ?? field('chatThreadId', ThreadId),
    clientId: served.clientId ?? field('clientId', ClientId),
    userId: served.userId ?? field('userId', UserId),
    projectId: served.projectId ?? field('projectId', ProjectId) ?? DEFAULT_PROJECT,
  }
}
