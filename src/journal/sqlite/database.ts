import { chmodSync, existsSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from './migrations.ts'

/** The journal was written by a newer version of Branchline. */
export class JournalTooNew extends Error {
  constructor(path: string, version: number) {
    super(
      `${path} has schema ${version}, this version of Branchline knows ${MIGRATIONS.length}. Install the newer version again, or use another WORKSPACE_PATH.`,
    )
    this.name = 'JournalTooNew'
  }
}

/** The journal cannot be read; nothing was changed. */
export class JournalDamaged extends Error {
  constructor(path: string, cause: unknown) {
    super(`${path} cannot be read as a journal. Put back a copy of it (one is kept beside it before every change of schema), or move it away to begin anew.`, {
      cause,
    })
    this.name = 'JournalDamaged'
  }
}

/** Opens the database, brings its schema up to date and raises its epoch. Commits are durable when they return. */
export function openDatabase(path: string): { readonly database: DatabaseSync; readonly epoch: number } {
  const database = new DatabaseSync(path, { timeout: 5000 })
  try {
    chmodSync(path, 0o600)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    migrate(database, path)
    const row = database.prepare("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value").get()
    return { database, epoch: Number(row?.['value']) }
  } catch (error) {
    database.close()
    throw isDamage(error) ? new JournalDamaged(path, error) : error
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB; a full disk or a missing permission is no damage. */
const isDamage = (error: unknown): boolean => error instanceof Error && 'errcode' in error && [11, 26].includes(Number(error.errcode) & 0xff)

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > MIGRATIONS.length) throw new JournalTooNew(path, version)
  if (version > 0 && version < MIGRATIONS.length) keepCopy(database, `${path}.v${version}`)
  for (const [at, sql] of MIGRATIONS.entries()) {
    if (at < version) continue
    database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${at + 1}; COMMIT`)
  }
}

function keepCopy(database: DatabaseSync, copy: string): void {
  if (existsSync(copy)) rmSync(copy)
  database.prepare('VACUUM INTO ?').run(copy)
  chmodSync(copy, 0o600)
}
