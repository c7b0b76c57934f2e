import type { JobReport } from '../../../src/command/job.ts'
import type { Code } from '../../../src/command/result.ts'
import type { StoredJob } from './stored-job.ts'

/** How a command ended that no container could carry out. */
export const reportOf = ({ command: { sessionId, commandId } }: StoredJob, code: Code, error: string): JobReport => ({
  result: { sessionId, commandId, timestamp: Date.now(), success: false, summary: error, code, error },
  files: [],
  subjects: [],
  unresolved: [],
})

const MAX_FILES = 3000
const MAX_TEXT = 200_000
const files = <Name>(all: readonly Name[]): Name[] => all.slice(0, MAX_FILES)

/** A report as it is kept: a row of the object's database may be 2 MB. */
export const bounded = (report: JobReport): JobReport => {
  const { result } = report
  return {
    ...report,
    files: files(report.files),
    subjects: files(report.subjects),
    unresolved: files(report.unresolved),
    result: {
      ...result,
      summary: result.summary.slice(0, MAX_TEXT),
      ...(result.error === undefined ? {} : { error: result.error.slice(0, MAX_TEXT) }),
      ...(result.filesChanged === undefined ? {} : { filesChanged: files(result.filesChanged) }),
      ...(result.skipped === undefined ? {} : { skipped: files(result.skipped) }),
      ...(result.conflicts === undefined ? {} : { conflicts: files(result.conflicts) }),
    },
  }
}
