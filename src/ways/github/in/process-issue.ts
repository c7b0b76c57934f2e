import * as z from 'zod'
import { Job } from '../../../command/job.ts'

/** An issue to work on, or a job. */
export const ProcessIssue = z
  .strictObject({
    type: z.literal('process_issue', 'must be process_issue'),
    payload: z
      .record(z.string(), z.unknown(), 'must be the payload of a webhook of issues')
      .describe('What GitHub sends of an issue: `issue`, `repository`, and who acts as `sender`.'),
    config: z
      .strictObject({ draft: z.boolean().optional(), maxCostUsd: z.number().positive().max(10_000).optional() })
      .default({})
      .describe('Options; no keys.'),
    job: Job.optional().describe(
      'From a Worker that speaks to GitHub itself: what is to be carried out. Its report is in /status; `payload` is not looked at.',
    ),
  })
  .meta({ id: 'ProcessIssue' })
