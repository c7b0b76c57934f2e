import { join } from 'node:path'
import { lockFolder, WorkspaceHeld } from '../folder-lock.ts'
import type { Journal } from '../journal.ts'
import { takeLease, Tenure } from '../lease.ts'
import { openDatabase, placeOf } from './database.ts'
import { leaseIn, thisMachine } from './lease-store.ts'
import { SqliteJournal } from './sqlite-journal.ts'
import { Statements } from './statements.ts'
import { FileWriter } from './writer.ts'

/** Where the journal is shared with other machines, how long one that is not heard of is waited for; 0 on one machine. */
export interface Sharing {
  readonly ttlMs: number
  /** Tells machines apart. */
  readonly machine?: string
  /** Ends waiting for the lease. */
  readonly stop?: AbortSignal | undefined
  /** It is waited for an owner that has not given it up. */
  readonly waits?: ((owner: string) => void) | undefined
}

/**
 * The journal in `{folder}/journal.sqlite`, and the lease of that folder, held until it is disposed of.
 *
 * @throws WorkspaceHeld, JournalTooNew, JournalDamaged, JournalMissing, JournalUnreadable
 */
export async function openSqliteJournal(folder: string, { ttlMs, machine = thisMachine(), stop, waits }: Sharing = { ttlMs: 0 }): Promise<Journal> {
  await using parts = new AsyncDisposableStack()
  parts.use(lockFolder(folder))
  const path = join(folder, 'journal.sqlite')
  const database = parts.adopt(openDatabase(path, ttlMs > 0), (open) => open.close())
  const store = leaseIn(database)
  const taken = await takeLease(store, { owner: machine, ttlMs, stop, waits })
  if (typeof taken !== 'number') throw new WorkspaceHeld(folder, `on another machine, ${taken.owner}`)
  const [tenure, reading] = [parts.use(new Tenure(store, taken, ttlMs)), new Statements(database)]
  return new SqliteJournal({ reading, writer: new FileWriter(reading, tenure, placeOf(path)), tenure, rest: parts.move() })
}
