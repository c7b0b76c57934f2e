import type { Code } from './result.ts'

/**
 * How the work of a run came to its end, before what it left was saved.
 * Plain data: it is stored with the commit, so that a crash between the two changes nothing.
 */
export type Ending =
  | {
      readonly kind: 'completed'
      readonly summary: string
      /** What the agent wants to know before it goes on. */
      readonly question?: string | undefined
      readonly restores?: string
      /** The commit to merge, where it conflicts. */
      readonly merges?: string
      /** The file to put into the tree, in place of the blob `base`. */
      readonly writes?: { readonly path: string; readonly blob: string; readonly base?: string | undefined }
      readonly pushed?: boolean
      /** What is broken on the pages that it touched. */
      readonly pageErrors?: readonly string[] | undefined
      /** Those pages. */
      readonly pages?: readonly string[] | undefined
      /** Names of pictures of those pages. */
      readonly pictures?: readonly string[] | undefined
    }
  /** `heard`: the agent had been told the message by then, so its conversation holds it. */
  | { readonly kind: 'interrupted'; readonly by?: string | undefined; readonly heard?: boolean }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'recovered' }
  /**
   * `wedged`: processes of the run are alive and cannot be ended, so its files may not be read yet. `limitedUntil`: the model answers
   * nothing before that, in ms since the epoch.
   */
  | {
      readonly kind: 'failed'
      readonly code: Code
      readonly error: string
      readonly mayPass: boolean
      readonly wedged?: true
      readonly limitedUntil?: number | undefined
      readonly pageErrors?: readonly string[] | undefined
    }

export type Outcome = 'completed' | 'interrupted' | 'recovered' | 'failed'

/** The trailer `Outcome` of a commit that saves what this ending left. */
export function outcomeOf(ending: Ending): Outcome {
  switch (ending.kind) {
    case 'completed':
      return 'completed'
    case 'interrupted':
    case 'shutdown':
      return 'interrupted'
    case 'recovered':
      return 'recovered'
    case 'failed':
      return 'failed'
  }
}

/** A failure whose reason a user can act on, wherever in a run it arises. */
export class RunFailure extends Error {
  readonly code: Code
  /** True where the same command may succeed a little later. */
  readonly mayPass: boolean
  constructor(code: Code, message: string, options: { mayPass?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'RunFailure'
    this.code = code
    this.mayPass = options.mayPass ?? false
  }
}
