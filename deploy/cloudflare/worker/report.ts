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

/** In UTF-16 code units, of each text and each list. */
const MAX_TEXT = 100_000

/** As much of a list as there is room for. */
function cut<Entry>(all: readonly Entry[]): Entry[] {
  let room = MAX_TEXT
  return all.filter((each) => (room -= JSON.stringify(each).length) >= 0)
}

/** A report as it is kept: a row of the object's database may be 2 MB. */
export const bounded = (report: JobReport): JobReport => {
  const { result } = report
  return {
    ...report,
    files: cut(report.files),
    subjects: cut(report.subjects),
    unresolved: cut(report.unresolved),
    result: {
      ...result,
      summary: result.summary.slice(0, MAX_TEXT),
      ...(result.error === undefined ? {} : { error: result.error.slice(0, MAX_TEXT) }),
      ...(result.filesChanged === undefined ? {} : { filesChanged: cut(result.filesChanged) }),
      ...(result.skipped === undefined ? {} : { skipped: cut(result.skipped) }),
      ...(result.conflicts === undefined ? {} : { conflicts: cut(result.conflicts) }),
    },
  }
}
