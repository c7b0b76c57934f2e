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
  if (error instanceof RunFailure) return { kind: 'failed', code: error.code, error: error.message, mayPass: error.mayPass }
  return { kind: 'failed', code: 'workspace_failed', error: messageOf(error), mayPass: false }
}
