import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { commandHash, type Command } from '../../src/command/command.ts'
import { Fenced, refOf, type Journal } from '../../src/journal/journal.ts'
import { MIGRATIONS } from '../../src/journal/sqlite/migrations.ts'
import { WorkspaceHeld } from '../../src/journal/folder-lock.ts'
import { JournalDamaged, JournalTooNew } from '../../src/journal/sqlite/database.ts'
import { openSqliteJournal } from '../../src/journal/sqlite/open.ts'
import { journalContract, type JournalPlace } from './journal.ts'
import { command } from './records.ts'

async function folderPlace(): Promise<JournalPlace & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-journal-'))
  return { folder, open: async () => openSqliteJournal(folder), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

journalContract('SQLite', folderPlace)

it('a folder that is in use says by whom', async () => {
  await using place = await folderPlace()
  await using _held = await place.open()
  await expect(openSqliteJournal(place.folder)).rejects.toThrow(WorkspaceHeld)
  await expect(openSqliteJournal(place.folder)).rejects.toThrow(`process ${process.pid}`)
})

const accept = async (journal: Journal, of: Command) => journal.accept({ command: of, hash: await commandHash(of), way: 'http', at: 1, begin: true })

it('an owner that was overtaken can write nothing more, and hears of it', async () => {
  await using place = await folderPlace()
  await using older = await place.open()
  const first = command('a')
  await accept(older, first)
  await rm(join(place.folder, 'lock.db')) // as on storage whose locks do not hold
  await using newer = await place.open()
  expect(older.lost.aborted).toBe(false)
  expect(await accept(older, command('b', 'two'))).toEqual({ outcome: 'lost' })
  expect(older.lost.aborted).toBe(true)
  expect(await older.interrupt(refOf(first), 'user')).toBe('lost')
  await expect(older.openThread(command('x', 'three'), 1)).rejects.toThrow(Fenced)
  expect(await newer.unfinished()).toMatchObject([{ command: { commandId: 'a' }, state: 'running' }])
  expect(await accept(newer, command('b', 'two'))).toMatchObject({ outcome: 'done' })
})

it('on shared storage a contender waits for one term, and is told who is alive', async () => {
  await using place = await folderPlace()
  const ttlMs = 300
  const older = await openSqliteJournal(place.folder, { ttlMs, machine: 'one' })
  await rm(join(place.folder, 'lock.db')) // another machine's lock would not be seen
  await expect(openSqliteJournal(place.folder, { ttlMs, machine: 'two' })).rejects.toThrow('on another machine, one')
  await older[Symbol.asyncDispose]() // gives it up
  await using newer = await openSqliteJournal(place.folder, { ttlMs, machine: 'two' })
  expect(newer.epoch).toBe(older.epoch + 1)
})

it('on shared storage an owner that cannot renew stops by itself before another may take over', async () => {
  await using place = await folderPlace()
  const ttlMs = 300
  await using older = await openSqliteJournal(place.folder, { ttlMs, machine: 'one' })
  const lost = new Promise((resolve) => older.lost.addEventListener('abort', resolve))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttlMs) // as when it was frozen
  expect(await accept(older, command('late'))).toEqual({ outcome: 'lost' })
  await lost
  await rm(join(place.folder, 'lock.db'))
  await using newer = await openSqliteJournal(place.folder, { ttlMs, machine: 'two' })
  expect(newer.epoch).toBe(older.epoch + 1)
  expect(await newer.unfinished()).toEqual([])
})

it('brings a journal of the first schema up to date, and keeps a copy', async () => {
  await using place = await folderPlace()
  const path = join(place.folder, 'journal.sqlite')
  const database = new DatabaseSync(path)
  database.exec(`${MIGRATIONS[0] ?? ''}; PRAGMA user_version = 1`)
  database.close()
  await using journal = await place.open()
  expect(await journal.forget(1, 1)).toBe(0)
  expect((await stat(`${path}.v1`)).mode & 0o777).toBe(0o600)
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
  await expect(openSqliteJournal(place.folder)).rejects.toThrow(JournalTooNew)
})

it('that is torn is not opened, and nothing is begun anew in its place', async () => {
  await using place = await folderPlace()
  const path = join(place.folder, 'journal.sqlite')
  await (await place.open())[Symbol.asyncDispose]()
  await truncate(path, 100)
  await expect(openSqliteJournal(place.folder)).rejects.toThrow(JournalDamaged)
  await writeFile(path, 'this is no database at all, it only stands where one was')
  await expect(openSqliteJournal(place.folder)).rejects.toThrow(JournalDamaged)
  expect((await stat(path)).size).toBe(56)
})
