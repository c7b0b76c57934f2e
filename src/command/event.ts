import * as z from 'zod'

/** The ten steps from an issue to its pull request, in order. */
export const IssueStep = z.enum(['received', 'verified', 'container', 'workspace', 'analysis', 'solution', 'changes', 'branch', 'pull request', 'clean-up'])
export type IssueStep = z.infer<typeof IssueStep>

const base = {
  id: z.string().describe('`{epoch}.{n}`: grows within a thread.'),
  at: z.number().describe('ms since the epoch.'),
  threadId: z.string(),
  commandId: z.string().optional(),
  runId: z.string().optional().describe('`{commandId}#{attempt}`.'),
}
const event = <Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) => z.object({ ...base, type: z.literal(type), ...shape })

/** What happened in a thread, for watching; nothing is decided by it. */
export const RunEvent = z
  .discriminatedUnion('type', [
    event('command.accepted', {
      instruction: z.string().describe('Cut at 20,000 characters.'),
      commandType: z.string(),
      mode: z.string().optional(),
      delivery: z.string().optional(),
      author: z.string().optional().describe('Who sent it, by the name of the token.'),
      attachments: z.array(z.string()).optional().describe('Their names.'),
    }).describe('A message was recorded.'),
    event('run.started', { attempt: z.int() }).describe('Its turn has come.'),
    event('workspace.ready', { branch: z.string() }).describe('Its branch and work tree are there; the agent may act.'),
    event('plan.changed', { items: z.array(z.object({ text: z.string(), state: z.enum(['pending', 'in_progress', 'completed']) })) }).describe(
      'What the agent means to do, as its own list has it.',
    ),
    event('step.reached', { step: IssueStep }).describe('How far the work for an issue has come.'),
    event('agent.said', { text: z.string() }).describe('Text of the agent; deltas joined, at most ten a second.'),
    event('tool.started', { tool: z.string(), toolUseId: z.string(), input: z.string() }).describe('The agent uses a tool; input is cut at 2,000 characters.'),
    event('tool.ended', { toolUseId: z.string(), failed: z.boolean(), output: z.string() }).describe('The tool answered; output is cut at 2,000 characters.'),
    event('files.changed', { files: z.array(z.string()) }).describe('Files differ from the last commit, or were committed.'),
    event('commit.made', { commit: z.string(), subject: z.string(), outcome: z.string() }).describe('A commit is on the branch of the thread.'),
    event('preview.changed', { state: z.string(), url: z.string().optional(), errors: z.array(z.string()).optional() }).describe(
      'The preview is `starting`, `ready`, `broken` (served, with errors on its pages), `failed` or `stopped`.',
    ),
    event('progress', { text: z.string() }).describe('A long step goes on: a clone, an install, a retry that waits.'),
    event('cost.counted', { costUsd: z.number(), totalCostUsd: z.number() }).describe('What the command has cost by now, over all attempts; and its thread.'),
    event('question.asked', { question: z.string() }).describe('The agent wants to know something.'),
    event('run.ended', {
      success: z.boolean(),
      code: z.string().optional(),
      summary: z.string(),
      error: z.string().optional().describe('Why it failed, for a person.'),
      pushed: z.boolean().optional(),
      pictures: z.array(z.string()).optional().describe('Pages before and after the run: paths of PNGs in this API.'),
    }).describe('The command has its result.'),
    event('gap', { from: z.string(), to: z.string() }).describe('Events between these two ids are no longer kept.'),
  ])
  .meta({ id: 'RunEvent' })
export type RunEvent = z.infer<typeof RunEvent>

type Without<Event> = Event extends unknown ? Omit<Event, 'id' | 'at' | 'threadId'> : never
/** An event before its log has numbered it. */
export type NewEvent = Without<RunEvent>
