import * as z from 'zod'
import { Result, Tokens } from '../../command/result.ts'

const iso = z.string().describe('ISO 8601.')

export const Executed = z.object({ success: z.boolean(), result: Result, error: z.string().optional() }).meta({ id: 'Executed' })
export const Accepted = z.object({ success: z.literal(true), commandId: z.string(), state: z.string(), location: z.string() }).meta({ id: 'Accepted' })
export const CommandState = z
  .object({
    commandId: z.string(),
    threadId: z.string(),
    state: z.enum(['queued', 'running', 'saving', 'completed', 'failed', 'interrupted', 'superseded', 'withdrawn']),
    attempt: z.int(),
    waitingUntil: iso.optional().describe('The model takes no requests before that; the command goes on then.'),
    result: Result.optional(),
  })
  .meta({ id: 'CommandState' })
export const Withdrawn = z
  .object({ success: z.literal(true), commandId: z.string(), instruction: z.string().describe('What it asked for.') })
  .meta({ id: 'Withdrawn' })
export const ModelKeyAnswer = z.object({ success: z.literal(true), simulated: z.boolean() }).meta({ id: 'ModelKeyKept' })
export const Shared = z
  .object({
    success: z.literal(true),
    url: z.string().describe('Whoever opens it is in the thread, in that role, until then. The token is behind the `#`, which browsers send to nobody.'),
    expiresAt: iso.optional(),
  })
  .meta({ id: 'Shared' })
export const Initialised = z
  .object({
    success: z.literal(true),
    workspace: z.object({
      userPath: z.string(),
      projectPath: z.string().describe('The work tree of the thread.'),
      claudePath: z.string(),
      branch: z.string(),
      resumed: z.boolean(),
    }),
    resumed: z.boolean(),
    branch: z.string(),
    previewUrl: z.string().optional(),
  })
  .meta({ id: 'Initialised' })
export const Preview = z
  .object({
    state: z
      .enum(['preparing', 'starting', 'ready', 'broken', 'failed', 'stopped'])
      .describe('`preparing`: dependencies are installed. `broken`: it is served, with errors on its pages. `failed`: its server does not start.'),
    url: z.string().optional(),
    errors: z.array(z.string()).describe('What is broken on pages that were looked at: file, line and column, message, page.'),
    why: z.string().optional().describe('Why it does not run.'),
  })
  .meta({ id: 'Preview' })
export const PreviewAnswer = z.object({ success: z.literal(true), preview: Preview }).meta({ id: 'PreviewAnswer' })
export const PreviewLinkAnswer = z
  .object({ success: z.literal(true), url: z.string().describe('Whoever opens it sees this preview until then.'), expiresAt: iso.optional() })
  .meta({ id: 'PreviewLink' })
export const ThreadSummary = z
  .object({
    threadId: z.string(),
    branch: z.string(),
    createdAt: iso,
    lastActiveAt: iso,
    costUsd: z.number(),
    tokens: Tokens,
    state: z.enum(['idle', 'running', 'waiting']),
  })
  .meta({ id: 'ThreadSummary' })
export const Status = z
  .object({
    ...ThreadSummary.shape,
    runningCommand: z.string().optional(),
    waitingCommands: z.array(z.string()),
    waitingUntil: iso.optional().describe('The model takes no requests before that.'),
    lastCommit: z.string().optional(),
    base: z.string().optional().describe('The commit that the thread began from.'),
    origin: z.string().optional().describe('The repository that a push goes to.'),
    pushedCommit: z.string().optional().describe('The last commit of the branch that origin is known to have.'),
    pullRequestUrl: z.string().optional(),
    changedFiles: z.array(z.string()).describe('Files that differ from where the thread began.'),
    agentSessionId: z.string(),
    preview: Preview,
    simulated: z.boolean(),
  })
  .meta({ id: 'Status' })
export const Costs = z
  .object({
    days: z.array(z.object({ day: z.string().describe('UTC, such as 2026-11-21.'), costUsd: z.number(), tokens: Tokens, requests: z.int() })),
    limits: z
      .object({ commandUsd: z.number().optional(), threadUsd: z.number().optional(), dayUsd: z.number().optional() })
      .describe('What a command, a thread, and a user on one day may cost.'),
    simulated: z.boolean(),
  })
  .meta({ id: 'Costs' })
export const Threads = z
  .object({ threads: z.array(ThreadSummary), next: z.int().optional().describe('Give it as `after` for the next page.') })
  .meta({ id: 'Threads' })
export const History = z
  .object({
    commands: z.array(
      z.object({
        commandId: z.string(),
        type: z.string(),
        instruction: z.string(),
        state: z.string(),
        attempt: z.int(),
        acceptedAt: iso,
        endedAt: iso.optional(),
        userEmail: z.string().optional(),
        result: Result.optional(),
      }),
    ),
    next: z.int().optional(),
  })
  .meta({ id: 'History' })
export const DiffAnswer = z
  .object({ from: z.string().optional(), to: z.string().optional(), files: z.array(z.string()), patch: z.string(), cut: z.boolean() })
  .meta({ id: 'Diff' })
export const Checkpoints = z
  .object({
    base: z.string().optional().describe('Where the thread began.'),
    checkpoints: z.array(
      z.object({ commit: z.string(), subject: z.string(), outcome: z.string(), commandId: z.string(), at: iso, restores: z.string().optional() }),
    ),
    steps: z
      .array(z.object({ commit: z.string(), subject: z.string(), commandId: z.string(), at: iso }))
      .describe('In the middle of runs of the last week: after each tool that changed files, and before shell commands.'),
  })
  .meta({ id: 'Checkpoints' })
export const Files = z.object({ commit: z.string().optional(), files: z.array(z.object({ path: z.string(), bytes: z.int() })) }).meta({ id: 'Files' })
export const InterruptAnswer = z
  .object({ success: z.literal(true), interrupted: z.string().nullable().describe('The command that was stopped, if one ran.') })
  .meta({ id: 'Interrupted' })
export const PullRequestAnswer = z
  .object({ success: z.literal(true), pullRequestUrl: z.string(), number: z.int(), created: z.boolean() })
  .meta({ id: 'PullRequestMade' })
export const Health = z
  .object({
    status: z.enum(['healthy', 'draining', 'full', 'backlog', 'unwritable']),
    timestamp: iso,
    version: z.string(),
    uptime: z.number().describe('Seconds.'),
    workspace: z.string(),
    client: z.string().optional(),
    thread: z.string().optional(),
    memory: z.object({ rssBytes: z.int(), heapBytes: z.int() }),
    cpu: z.object({ userMs: z.int(), systemMs: z.int() }),
    running: z.int(),
    waiting: z.int(),
    agents: z.object({ idle: z.int(), fresh: z.int() }).describe('Agents that wait for a message, and how many of those have had none yet.'),
    isolation: z.string(),
    simulated: z.boolean(),
  })
  .meta({ id: 'Health' })
export const Me = z
  .object({
    name: z.string(),
    role: z.enum(['view', 'work', 'administer']),
    clientId: z.string(),
    userId: z.string(),
    projectId: z.string(),
    threadId: z.string().optional().describe('The only thread that the caller may see.'),
    simulated: z.boolean(),
    keyWanted: z.boolean().describe('A key of the model may be entered: the operator has set none.'),
    projectChosen: z.boolean().describe('The caller chooses the project.'),
    open: z.boolean().describe('Nobody needs a token here.'),
    repository: z
      .object({ begun: z.boolean(), url: z.string().optional() })
      .describe('What the workspace works on. Until it has begun, its first message may name another one.'),
  })
  .meta({ id: 'Me' })
export const Root = z.object({ name: z.string(), version: z.string(), links: z.record(z.string(), z.string()) }).meta({ id: 'Root' })
export const ProblemAnswer = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
    success: z.literal(false),
    error: z.string(),
  })
  .meta({ id: 'Problem' })

export const DeadLetterAnswer = z
  .object({
    n: z.int(),
    at: iso,
    reason: z.string(),
    source: z.string().optional().describe('The queue that it came from.'),
    threadId: z.string().optional(),
    commandId: z.string().optional(),
    givenUp: z.boolean().optional().describe('It was accepted, and given up after all its attempts: it can be handed in again.'),
    body: z.string().describe('What was sent, as far as it is kept.'),
  })
  .meta({ id: 'DeadLetter' })
export const DeadLetters = z
  .object({ deadLetters: z.array(DeadLetterAnswer), next: z.int().optional().describe('`after` of the next page.') })
  .meta({ id: 'DeadLetters' })
export const Retried = z.object({ success: z.boolean(), commandId: z.string() }).meta({ id: 'Retried' })
