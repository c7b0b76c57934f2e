import type { JobReport } from '../../../src/command/job.ts'
import type { Code, Result } from '../../../src/command/result.ts'
import { StoredResult, type StoredJob } from './stored-job.ts'

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

/** As much of each text and list of a result as there is room for. */
const cutResult = (result: Result): Result =>
  StoredResult.parse(
    Object.fromEntries(
      Object.entries(result).map(([name, value]: [string, unknown]) => [
        name,
        typeof value === 'string' ? value.slice(0, MAX_TEXT) : Array.isArray(value) ? cut(value) : value,
      ]),
    ),
  )

/** A report as it is kept: a row of the object's database may be 2 MB. */
export const bounded = (report: JobReport): JobReport => ({
  ...report,
  result: cutResult(report.result),
  ...(report.push === undefined ? {} : { push: cutResult(report.push) }),
  files: cut(report.files),
  subjects: cut(report.subjects),
  unresolved: cut(report.unresolved),
})
