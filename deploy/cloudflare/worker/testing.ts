import { openDatabase } from './database.ts'
import { Deliveries } from './deliveries.ts'
import { JobStore } from './job-store.ts'
import { Sessions } from './sessions.ts'
import { Threads } from './threads.ts'

/** What the object of a repository keeps, for tests. */
export interface Stores {
  readonly jobs: JobStore
  readonly deliveries: Deliveries
  readonly sessions: Sessions
  readonly threads: Threads
}

export function storesOf(storage: DurableObjectStorage): Stores {
  const db = openDatabase(storage)
  const [deliveries, sessions] = [new Deliveries(db), new Sessions(db)]
  return { jobs: new JobStore(db, deliveries, sessions), deliveries, sessions, threads: new Threads(db) }
}
