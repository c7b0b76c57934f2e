import type { RepositoryName } from '../../../src/git/github-url.ts'

/** What the service in a container shows on its way out, where that is exchanged for a real credential. */
export interface Passes {
  readonly git: string
  readonly model: string
}

/** Something that a service runs in. */
export interface Runtime {
  /** Passes in requests that leave it become real credentials on the way, so that no real one is in it. */
  readonly takesPasses: boolean
  readonly running: () => Promise<boolean>
  /**
   * Begins to start it; it answers some seconds later.
   *
   * @param onEnd hears why it ended, where that is known
   */
  readonly start: (
    env: Readonly<Record<string, string>>,
    to: { readonly repository: RepositoryName; readonly passes: Passes; readonly onEnd: (why: string) => void },
  ) => Promise<void>
  readonly fetch: (request: Request) => Promise<Response>
  /** Ends it at once. */
  readonly stop: () => Promise<void>
}

/** What the platform says where all instances are in use; it has no other sign of it. */
const FULL = /maximum number of running container instances|no container instance available/i

export const isFull = (why: string): boolean => FULL.test(why)
