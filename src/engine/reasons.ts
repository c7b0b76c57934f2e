import { GitError } from '../git/git.ts'
import { AccessBusy } from '../git/remote.ts'
import { Unkillable } from '../process/end-all.ts'
import { OverBudget } from '../agent/account.ts'
import { RunFailure, type Ending } from '../command/ending.ts'
import { messageOf } from '../observe/text.ts'

/** Why the work of a run is ended early; the reason of its AbortSignal. */
export class Interrupted extends Error {
  /** The command that took its place, or `user`. */
  readonly by: string
  constructor(by: string) {
    super(`interrupted by ${by}`)
    this.name = 'Interrupted'
    this.by = by
  }
}

export class ShuttingDown extends Error {
  constructor() {
    super('the service is shutting down')
    this.name = 'ShuttingDown'
  }
}

/** The run took longer than `RUN_LIMIT`. */
export class OverLimit extends Error {
  readonly minutes: number
  constructor(minutes: number) {
    super(`over the limit of ${minutes} minutes`)
    this.name = 'OverLimit'
    this.minutes = minutes
  }
}

/** A commit was made and recorded, and something failed on its way onto the branch: recovery finishes it from the record. */
export class Unfinished extends Error {
  constructor(cause: unknown) {
    super('a commit was recorded and could not be brought onto its branch', { cause })
    this.name = 'Unfinished'
  }
}

/** How long whoever gives access to origin is left alone, where it has not said so. */
const ACCESS_AGAIN_MS = 15_000

/** Origin cannot be reached for a while; the command waits for it as it does for a model that takes no requests. */
export const notNow = ({ message, until }: AccessBusy, code: 'push_failed' | 'workspace_failed'): Extract<Ending, { kind: 'failed' }> => ({
  kind: 'failed',
  code,
  error: message,
  mayPass: true,
  limitedUntil: until ?? Date.now() + ACCESS_AGAIN_MS,
})

/** Where each budget is set. */
const BUDGETS = { command: 'maxCostUsd or MAX_COST_USD', thread: 'MAX_COST_USD_PER_THREAD', day: 'MAX_COST_USD_PER_DAY' } as const

/** What an error, or the reason of a stop, means for the run. */
export function endingOf(error: unknown): Exclude<Ending, { kind: 'recovered' | 'completed' }> {
  if (error instanceof Interrupted) return { kind: 'interrupted', by: error.by }
  if (error instanceof ShuttingDown) return { kind: 'shutdown' }
  if (error instanceof OverLimit)
    return {
      kind: 'failed',
      code: 'timeout',
      error: `The run took longer than ${error.minutes} minutes (RUN_LIMIT); what was done is committed.`,
      mayPass: false,
    }
  if (error instanceof OverBudget) {
    const of = { command: 'this command', thread: 'this thread', day: 'this user today' }[error.scope]
    const what = `What ${of} may cost, ${error.limitUsd} USD (${BUDGETS[error.scope]}), is spent; what was done is committed.`
    return { kind: 'failed', code: 'budget', error: what, mayPass: false }
  }
  if (error instanceof AccessBusy) return notNow(error, 'workspace_failed')
  if (error instanceof RunFailure) return { kind: 'failed', code: error.code, error: error.message, mayPass: error.mayPass }
  if (error instanceof Unkillable)
    return {
      kind: 'failed',
      code: 'workspace_failed',
      error: `Processes of this thread (${error.pids.join(', ')}) cannot be ended. Its files are left as they are and are committed when those are gone; restart the machine or the container if they stay. Other threads go on.`,
      mayPass: false,
      wedged: true,
    }
  // A git that was ended by somebody else says nothing of what it was asked.
  const mayPass = error instanceof GitError && error.code === null
  return { kind: 'failed', code: 'workspace_failed', error: messageOf(error), mayPass }
}
