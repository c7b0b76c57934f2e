import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { WorkspaceHeld } from '../../src/journal/lease.ts'
import { JournalDamaged, JournalTooNew } from '../../src/journal/sqlite/database.ts'
import { openSqliteJournal } from '../../src/journal/sqlite/sqlite-journal.ts'
import { journalContract, type JournalPlace } from './journal.ts'

async function folderPlace(): Promise<JournalPlace & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-journal-'))
  return { folder, open: async () => openSqliteJournal(folder), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

journalContract('SQLite', folderPlace)

it('a folder that is in use says by whom', async () => {
  await using place = await folderPlace()
  await using _held = await place.open()
  expect(() => openSqliteJournal(place.folder)).toThrow(WorkspaceHeld)
  expect(() => openSqliteJournal(place.folder)).toThrow(`process ${process.pid}`)
})

it('is readable by its owner alone', async () => {
  await using place = await folderPlace()
  await using _journal = await place.open()
  expect((await stat(join(place.folder, 'journal.sqlite'))).mode & 0o777).toBe(0o600)
})

it('of a newer version is not opened', async () => {
  await using place = await folderPlace()
  await (await place.open())[Symbol.asyncDispose]()
  const database = new DatabaseSync(join(place.folder, 'journal.sqlite'))
  database.exec('PRAGMA user_version = 999')
  database.close()
  expect(() => openSqliteJournal(place.folder)).toThrow(JournalTooNew)
})

it('that is torn is not opened, and nothing is begun anew in its place', async () => {
  await using place = await folderPlace()
  const path = join(place.folder, 'journal.sqlite')
  await (await place.open())[Symbol.asyncDispose]()
  await truncate(path, 100)
  expect(() => openSqliteJournal(place.folder)).toThrow(JournalDamaged)
  await writeFile(path, 'this is no database at all, it only stands where one was')
  expect(() => openSqliteJournal(place.folder)).toThrow(JournalDamaged)
  expect((await stat(path)).size).toBe(56)
})
