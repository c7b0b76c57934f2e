import type { Repository } from './container.ts'

/** Something that a service runs in. */
export interface Box {
  /** A pass in a request that leaves it becomes the real credential on the way, so that no real one is in it. */
  readonly takesPass: boolean
  readonly running: () => Promise<boolean>
  /** Begins to start it; it answers some seconds later. @throws BoxFull */
  readonly start: (env: Readonly<Record<string, string>>, to: { readonly repository: Repository; readonly pass: string }) => Promise<void>
  readonly fetch: (request: Request) => Promise<Response>
  /** Ends it at once. */
  readonly stop: () => Promise<void>
}

/** There is no room for another one now. */
export class BoxFull extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BoxFull'
  }
}
