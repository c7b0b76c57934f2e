import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { WorkspaceHeld } from '../folder-lock.ts'
import type { Journal } from '../journal.ts'
import { takeLease, Tenure } from '../lease.ts'
import { JournalMissing, JournalTooNew } from '../sqlite/database.ts'
import { MIGRATIONS } from '../sqlite/migrations.ts'
import { SqliteJournal } from '../sqlite/sqlite-journal.ts'
import { Statements } from '../sqlite/statements.ts'
import { filesOf, rowOf, type Row } from './items.ts'
import { MirroredWriter } from './mirrored-writer.ts'
import { Table } from './table.ts'
import { Values } from './values.ts'

/** The table cannot be asked, or is not as it has to be; nothing was changed. */
export class JournalUnreachable extends Error {
  constructor(table: string, cause: unknown) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    super(
      `JOURNAL_TABLE: the table ${table} cannot be used (${why}). It needs the keys pk and sk, both text, and this service the right to read and write it.`,
      {
        cause,
      },
    )
    this.name = 'JournalUnreachable'
  }
}

export interface TablePlace {
  readonly client: DynamoDBClient
  readonly table: string
  /** Under which the items of this journal are; one for each workspace folder. */
  readonly key: string
  /** The service's own folder, on the storage that the workspaces are on. */
  readonly folder: string
  /** How long an owner that is not heard of is waited for. */
  readonly ttlMs: number
}

/**
 * The journal in a table of DynamoDB (keys `pk`, `sk`), and the lease of it, held until it is disposed of. It is read once, into a
 * database of this process alone, which every write goes through.
 *
 * @throws WorkspaceHeld, JournalTooNew, JournalMissing, JournalUnreachable
 */
export async function openDynamoJournal({ client, table: name, key, folder, ttlMs }: TablePlace): Promise<Journal> {
  await using parts = new AsyncDisposableStack()
  const values = new Values(join(folder, 'values'))
  const table = new Table(client, name, key, values)
  const store = table.lease
  try {
    if ((await store.read()).epoch === 0 && (await isUsed(folder))) throw new JournalMissing(`the journal ${key} in the table ${name}`)
    const taken = await takeLease(store, { owner: `${hostname()} ${randomUUID()}`, ttlMs })
    if (typeof taken !== 'number') throw new WorkspaceHeld(folder, `on another machine, ${taken.owner}`)
    const tenure = parts.use(new Tenure(store, taken, ttlMs))
    if ((await table.finishWrite(tenure)) === 'lost') throw new WorkspaceHeld(folder, 'another one was faster')
    const copy = parts.adopt(await mkdtemp(join(tmpdir(), 'branchline-journal-')), (path) => rm(path, { recursive: true, force: true }))
    const path = join(copy, 'journal.sqlite')
    const writing = parts.adopt(new DatabaseSync(path), (open) => open.close())
    const files = await load(table, values, writing)
    await values.keepOnly(new Set([...files.values()].flat()))
    const reading = new Statements(parts.adopt(new DatabaseSync(path, { readOnly: true }), (open) => open.close()))
    return new SqliteJournal({ reading, writer: new MirroredWriter(new Statements(writing), table, values, tenure, files), tenure, rest: parts.move() })
  } catch (error) {
    if (error instanceof WorkspaceHeld || error instanceof JournalTooNew || error instanceof JournalMissing) throw error
    throw new JournalUnreachable(name, error)
  }
}

/** The folder has been worked in, with a journal that is not this one. */
async function isUsed(folder: string): Promise<boolean> {
  return existsSync(join(folder, 'journal.sqlite')) || (await readdir(join(folder, 'indexes')).catch(() => [])).length > 0
}

/** Fills a database with what the table has; answers which files rows have beside it. */
export async function load(table: Table, values: Values, database: DatabaseSync): Promise<Map<string, readonly string[]>> {
  const files = new Map<string, readonly string[]>()
  const rows: Row[] = []
  for await (const item of table.items()) {
    const row = await rowOf(item, values)
    if (row === undefined) continue
    if (row.version > MIGRATIONS.length) throw new JournalTooNew('the journal in the table', row.version)
    rows.push(row)
    const beside = filesOf(item)
    if (beside.length > 0) files.set(item['sk']?.S ?? '', beside)
  }
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON; BEGIN')
  // A row goes in at the version that it was written by, and is brought up to date with all that was there before.
  for (const [at, migration] of MIGRATIONS.entries()) {
    database.exec(migration)
    for (const row of rows.filter(({ version }) => version === at + 1)) insert(database, row)
  }
  database.exec('COMMIT')
  return files
}

function insert(database: DatabaseSync, { table, columns, values }: Row): void {
  database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`).run(...values)
}
