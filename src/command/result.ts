import * as z from 'zod'

/** Short stable reasons; a sender may decide by them, never by the text of `error`. */
export const Code = z.enum([
  'interrupted', // a newer message, or the user, stopped the run
  'superseded', // a newer message took this one's text along before it had begun
  'withdrawn', // it was taken back before it had begun
  'timeout', // no sign of life from the agent, or over the longest time a run may take
  'budget', // over what the command, its thread or its user's day may cost
  'rate_limited', // the model's limit lasts longer than this command may wait
  'agent_failed', // the model or the agent refused, or broke down
  'build_failed',
  'preview_failed', // the preview does not start, or an error is on its pages
  'push_conflict', // the remote branch holds commits that ours cannot be rebased onto
  'push_failed',
  'workspace_failed', // the repository could not be cloned, or the thread not prepared
  'disk_full',
  'crashed', // the service was stopped hard during this command, more than once
  'rejected', // what was asked for cannot be done here
])
export type Code = z.infer<typeof Code>

export const Tokens = z.object({ input: z.int(), output: z.int(), cacheRead: z.int(), cacheWrite: z.int() }).meta({ id: 'Tokens' })
export type Tokens = z.infer<typeof Tokens>

export const Skipped = z.object({ path: z.string(), reason: z.string() }).meta({ id: 'Skipped' })
export type Skipped = z.infer<typeof Skipped>

/** The one final answer to a command. */
export const Result = z
  .object({
    sessionId: z.string(),
    commandId: z.string(),
    timestamp: z.number().describe('When it ended, in ms since the epoch.'),
    success: z.boolean(),
    summary: z.string().describe('What was done, or the answer.'),
    filesChanged: z.array(z.string()).optional(),
    error: z.string().optional().describe('Why it failed, for a person.'),
    previewUrl: z.string().optional(),
    interrupted: z.boolean().optional().describe('A newer message stopped it; what was done is committed.'),
    code: Code.optional().describe('Why it failed, for a program.'),
    supersededBy: z.string().optional(),
    joined: z.string().optional().describe('The run it was steered into.'),
    question: z.string().optional().describe("What the agent wants to know; the thread's next message answers."),
    skipped: z.array(Skipped).optional().describe('Files that could not be saved, with why.'),
    pageErrors: z
      .array(z.string())
      .optional()
      .describe('What is broken on pages of the preview: file, line and column, message, page. Checked where a preview is ready.'),
    pagesChecked: z.array(z.string()).optional().describe('Pages of the preview that were looked at after the run.'),
    pictures: z.array(z.string()).optional().describe('Pages that the run touched, before and after it: paths of PNGs in this API.'),
    conflicts: z.array(z.string()).optional().describe('Files of a merge that hold conflict markers.'),
    commit: z.string().optional(),
    branch: z.string().optional(),
    pushed: z.boolean().optional(),
    costUsd: z.number().optional(),
    tokens: Tokens.optional(),
    durationMs: z.number().optional(),
    agentSessionId: z.string().optional(),
    pullRequestUrl: z.string().optional(),
    attempt: z.int().optional(),
    simulated: z.boolean().optional().describe('A scripted model answered, not a real one.'),
  })
  .meta({ id: 'Result' })
export type Result = Readonly<z.infer<typeof Result>>
