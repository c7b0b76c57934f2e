import type { ServerState } from './dev-server.ts'

/** How a preview stands, for people. `broken`: it is served, and errors are on its pages. */
export type PreviewState = ServerState | 'broken'

export interface PreviewStanding {
  readonly state: PreviewState
  readonly errors: readonly string[]
}
