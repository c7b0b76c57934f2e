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
