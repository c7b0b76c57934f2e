import type { Fence } from '../git/fence.ts'
import type { ThreadRef } from '../command/ids.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import type { Names } from '../workspace/paths.ts'
import type { ThreadHome } from '../workspace/thread-home.ts'

/** A thread that can be worked on. */
export interface Thread {
  readonly ref: ThreadRef
  readonly names: Names
  readonly record: ThreadRecord
  readonly home: ThreadHome
  /** Shows git that this service owns the workspace. */
  readonly fence: Fence
}
