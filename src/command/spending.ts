import type { Tokens } from './result.ts'

/** What a run used of the model. */
export interface Usage {
  readonly costUsd: number
  readonly tokens: Tokens
}

/** What has been spent, in USD: for a command over all its attempts, for its thread, and by its user on one day (UTC). */
export interface Spent {
  readonly command: number
  readonly thread: number
  readonly day: number
}
