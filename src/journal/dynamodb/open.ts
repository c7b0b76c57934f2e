import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { isAlive } from '../../observe/alive.ts'
import { WorkspaceHeld } from '../folder-lock.ts'
import type { Journal } from '../journal.ts'
import { takeLease, Tenure } from '../lease.ts'
import { JournalTooNew } from '../sqlite/database.ts'
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

/** The folder is not the one whose work the journal has: its storage is not there, or it is another one. */
export class OtherFolder extends Error {
  constructor(folder: string, journal: string) {
    super(`${folder} is not the folder of the journal ${journal}. Is the storage with its workspaces mounted there? Nothing of the journal was changed.`)
    this.name = 'OtherFolder'
  }
}

/** The folder has been worked in with a journal that is not in the table, or that was there. */
export class JournalElsewhere extends Error {
  constructor(folder: string, journal: string) {
    super(
      `JOURNAL_TABLE: there is no journal ${journal}, though ${folder} has been used with one. A journal cannot be brought along from a file: use another WORKSPACE_PATH, or leave JOURNAL_TABLE out. Where the table was lost, restore it.`,
    )
    this.name = 'JournalElsewhere'
  }
}

/** A file that says which journal the folder belongs to, by a word that both know. */
const MARK = 'journal-of'
const COPY = 'branchline-journal-'

export interface TablePlace {
  readonly client: DynamoDBClient
  readonly table: string
  /** Under which the items of this journal are; one for each workspace folder. */
  readonly key: string
  /** The service's own folder, on the storage that the workspaces are on. */
  readonly folder: string
  /** How long an owner that is not heard of is waited for. */
  readonly ttlMs: number
  /** Ends waiting for the lease. */
  readonly stop?: AbortSignal | undefined
  /** It is waited for an owner that has not given it up. */
  readonly waits?: ((owner: string) => void) | undefined
}

/**
 * The journal in a table of DynamoDB (keys `pk`, `sk`), and the lease of it, held until it is disposed of. It is read once, into a
 * database of this process alone, which every write goes through.
 *
 * @throws WorkspaceHeld, JournalTooNew, JournalElsewhere, JournalUnreachable, OtherFolder
 */
export async function openDynamoJournal({ client, table: name, key, folder, ttlMs, stop, waits }: TablePlace): Promise<Journal> {
  await using parts = new AsyncDisposableStack()
  const values = new Values(join(folder, 'values'))
  const mark = (await readMark(folder)) ?? (await leaveMark(folder))
  const table = new Table(client, name, key, values, mark)
  const store = table.lease
  try {
    const belongsTo = await table.folder()
    if (belongsTo === undefined && (await isUsed(folder))) throw new JournalElsewhere(folder, `${key} in the table ${name}`)
    if (belongsTo !== undefined && belongsTo !== mark) throw new OtherFolder(folder, `${key} in the table ${name}`)
    const taken = await takeLease(store, { owner: `${hostname()} ${randomUUID()}`, ttlMs, stop, waits })
    if (typeof taken !== 'number') throw new WorkspaceHeld(`the journal ${key} in the table ${name}`, taken.owner)
    parts.defer(() => client.destroy())
    const tenure = parts.use(new Tenure(store, taken, ttlMs))
    if ((await table.finishWrite(tenure)) === 'lost') throw new WorkspaceHeld(`the journal ${key} in the table ${name}`, 'it was faster')
    await removeLeftCopies().catch(() => {}) // they may be another user's
    const copy = parts.adopt(await mkdtemp(join(tmpdir(), `${COPY}${process.pid}-`)), (path) => rm(path, { recursive: true, force: true }))
    const path = join(copy, 'journal.sqlite')
    const writing = parts.adopt(new DatabaseSync(path), (open) => open.close())
    const files = await load(table, values, writing)
    await values.keepOnly(new Set([...files.values()].flat()))
    const reading = new Statements(parts.adopt(new DatabaseSync(path, { readOnly: true }), (open) => open.close()))
    return new SqliteJournal({ reading, writer: new MirroredWriter(new Statements(writing), table, values, tenure, files), tenure, rest: parts.move() })
  } catch (error) {
    if (
      stop?.aborted === true ||
      error instanceof OtherFolder ||
      error instanceof WorkspaceHeld ||
      error instanceof JournalTooNew ||
      error instanceof JournalElsewhere
    )
      throw error
    throw new JournalUnreachable(name, error)
  }
}

/** The folder has been worked in, with a journal that is not this one. */
async function isUsed(folder: string): Promise<boolean> {
  return existsSync(join(folder, 'journal.sqlite')) || (await readdir(join(folder, 'indexes')).catch(() => [])).length > 0
}

async function readMark(folder: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, MARK), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The first one to leave it counts, where two start at once. */
async function leaveMark(folder: string): Promise<string> {
  const making = join(folder, `${MARK}.${randomUUID()}`)
  await writeFile(making, randomUUID(), { mode: 0o600, flush: true })
  await link(making, join(folder, MARK)).catch(() => {}) // the other one was faster
  await rm(making)
  return readFile(join(folder, MARK), 'utf8')
}

/** Copies of processes that were killed. */
async function removeLeftCopies(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(COPY) ? Number(name.slice(COPY.length).split('-')[0]) : NaN
    if (Number.isInteger(pid) && pid > 0 && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
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
