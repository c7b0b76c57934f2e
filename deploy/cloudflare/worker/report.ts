import type { JobReport } from '../../../src/command/job.ts'
import type { Code } from '../../../src/command/result.ts'
import type { Job } from './jobs.ts'

/** How a command ended that no container could carry out. */
export const reportOf = ({ command: { sessionId, commandId } }: Job, code: Code, error: string): JobReport => ({
  result: { sessionId, commandId, timestamp: Date.now(), success: false, summary: error, code, error },
  subjects: [],
  unresolved: [],
})
