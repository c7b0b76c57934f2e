import { dirname, join } from 'node:path'
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Place } from './writer.ts'
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

/** The journal is not there, though the folder has been worked in. */
export class JournalMissing extends Error {
  constructor(path: string) {
    super(`${path} is missing or empty, though this folder has been used. Put back a copy of it, or move the folder .branchline away to begin anew.`)
    this.name = 'JournalMissing'
  }
}

/** The journal may be whole, and cannot be opened: permissions, or the disk. */
export class JournalUnreadable extends Error {
  constructor(path: string, cause: Error) {
    super(`${path} cannot be opened (${cause.message}). Nothing was changed. It has to be a file that this user may read and write, on a disk with room.`, {
      cause,
    })
    this.name = 'JournalUnreadable'
  }
}

/**
 * Opens the database and brings its schema up to date. Commits are durable when they return.
 *
 * @param shared lies on storage that several machines reach, where the memory that a write-ahead log is indexed by cannot be shared
 */
export function openDatabase(path: string, shared: boolean): DatabaseSync {
  if (!hasContent(path) && hasContent(join(dirname(path), 'indexes'))) throw new JournalMissing(path)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 5000 })
    chmodSync(path, 0o600)
    checkWhole(database)
    database.exec(`PRAGMA journal_mode = ${shared ? 'TRUNCATE' : 'WAL'}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON`)
    migrate(database, path)
    return database
  } catch (error) {
    database?.close()
    if (isDamage(error)) throw new JournalDamaged(path, error)
    throw error instanceof Error && 'errcode' in error ? new JournalUnreadable(path, error) : error
  }
}

/** A file that was moved away or removed can still be written to by who has it open, and what is written is lost. */
export function placeOf(path: string): Place {
  const { dev, ino } = statSync(path)
  return {
    check: () => {
      const now = statSync(path, { throwIfNoEntry: false })
      if (now?.dev !== dev || now.ino !== ino) throw new Error(`${path} is not the file that was opened: it was moved, removed or replaced`)
    },
  }
}

/** A file or folder that is there and not empty. */
function hasContent(path: string): boolean {
  const about = statSync(path, { throwIfNoEntry: false })
  return about?.isDirectory() === true ? readdirSync(path).length > 0 : (about?.size ?? 0) > 0
}

class NotWhole extends Error {}

/** Looks at every page: one that is torn would be noticed when its command is asked for, and not before. */
function checkWhole(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA quick_check(1)').get()
  if (row?.['quick_check'] !== 'ok') throw new NotWhole(String(row?.['quick_check']))
}

/** SQLITE_CORRUPT and SQLITE_NOTADB; a full disk or a missing permission is no damage. */
const isDamage = (error: unknown): boolean =>
  error instanceof NotWhole || (error instanceof Error && 'errcode' in error && [11, 26].includes(Number(error.errcode) & 0xff))

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
