import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TransactionCanceledException } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDynamoJournal } from '../../src/journal/dynamodb/open.ts'
import { NotRecorded, refOf, type Journal } from '../../src/journal/journal.ts'
import { startTableServer, tableServerSupported, type TableServer } from '../support/table-server.ts'
import { journalContract, type JournalPlace } from './journal.ts'
import { acceptance, command, result } from './records.ts'

describe.skipIf(!tableServerSupported)('the journal in DynamoDB (needs the table server, which this platform lacks)', () => {
  let server: TableServer
  let count = 0
  beforeAll(async () => {
    server = await startTableServer()
    await server.createJournalTable('journal')
  })
  afterAll(() => server[Symbol.asyncDispose]())

  interface TablePlace extends JournalPlace {
    readonly folder: string
    readonly key: string
  }
  const place = async (ttlMs = 3000): Promise<TablePlace> => {
    const folder = await mkdtemp(join(tmpdir(), 'branchline-journal-'))
    const key = `acme-project-${(count += 1)}`
    return {
      folder,
      key,
      open: () => openDynamoJournal({ client: server.client, table: 'journal', key, folder, ttlMs }),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    }
  }
  journalContract('DynamoDB', place)

  const reopened = async (where: TablePlace, check: (journal: Journal) => Promise<void>): Promise<void> => {
    await using journal = await where.open()
    await check(journal)
  }

  it('large values are kept beside the table, come back, and are removed with what they belong to', async () => {
    await using where = await place()
    const attachments = [{ name: 'a.txt', mediaType: 'text/plain' as const, data: Buffer.from('x'.repeat(2_000_000)).toString('base64') }]
    const large = command('large', 'one', { attachments })
    await using first = await where.open()
    await first.accept(await acceptance(large))
    await first[Symbol.asyncDispose]()
    await reopened(where, async (journal) => {
      expect((await journal.command(refOf(large)))?.command.attachments).toEqual(attachments)
      expect(await readdir(join(where.folder, 'values'))).toHaveLength(1)
      await journal.begin(refOf(large), 1)
      await journal.end(refOf(large), result(large))
      expect(await readdir(join(where.folder, 'values'))).toEqual([])
    })
  })

  it('a transaction that is larger than the table takes is whole all the same', async () => {
    await using where = await place()
    await using first = await where.open()
    await first.accept(await acceptance(command('host'), { begin: true }))
    const steered = Array.from({ length: 120 }, (_, at) => command(`s${at}`, 'one', { delivery: 'steer' }))
    for (const each of steered) await first.accept(await acceptance(each, { joins: refOf(command('host')) }))
    expect((await first.end(refOf(command('host')), result(command('host')), {})).outcome).toBe('done')
    await first[Symbol.asyncDispose]()
    await reopened(where, async (journal) => {
      expect(await journal.unfinished()).toEqual([])
      expect(await journal.outboxSize()).toBe(121)
    })
  })

  it('what the table refuses is told and not recorded, and the journal goes on', async () => {
    await using where = await place()
    await using journal = await where.open()
    const { send } = server.client
    const refuse = (name: string, extra: object = {}) => {
      server.client.send = ((command: { constructor: { name: string } }) =>
        command.constructor.name === 'TransactWriteItemsCommand'
          ? Promise.reject(Object.assign(extra instanceof Error ? extra : new Error('refused'), { name }))
          : Reflect.apply(send, server.client, [command])) as typeof send
    }
    try {
      refuse('ValidationException')
      await expect(journal.accept(await acceptance(command('a')))).rejects.toThrow(NotRecorded)
      const CancellationReasons = [{ Code: 'None' }, { Code: 'ValidationError', Message: 'Item size has exceeded the maximum allowed size' }]
      refuse('TransactionCanceledException', new TransactionCanceledException({ message: 'no', $metadata: {}, CancellationReasons }))
      await expect(journal.accept(await acceptance(command('a')))).rejects.toThrow(NotRecorded)
      expect(await journal.writable()).toBe(false)
    } finally {
      server.client.send = send
    }
    expect(await journal.writable()).toBe(true)
    expect(await journal.unfinished()).toEqual([])
    expect(await journal.accept(await acceptance(command('a')))).toMatchObject({ outcome: 'done' })
  })

  it('an owner that was overtaken can write nothing more, and hears of it', async () => {
    await using where = await place(600)
    const older = await where.open()
    await older.accept(await acceptance(command('a'), { begin: true }))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700) // as when it was frozen: it has not renewed in time
    expect(await older.accept(await acceptance(command('late', 'two')))).toEqual({ outcome: 'lost' })
    expect(older.lost.aborted).toBe(true)
    await reopened(where, async (newer) => {
      expect(newer.epoch).toBe(older.epoch + 1)
      expect((await newer.unfinished()).map((each) => each.command.commandId)).toEqual(['a'])
    })
    await older[Symbol.asyncDispose]()
  })

  it('a contender is told who is alive, and takes over what was given up at once', async () => {
    await using where = await place(600)
    const older = await where.open()
    await expect(where.open()).rejects.toThrow('is in use by another Branchline')
    await older[Symbol.asyncDispose]()
    await reopened(where, async (newer) => expect(newer.epoch).toBe(older.epoch + 1))
  })

  it('of a folder that has been used with another one is not begun anew', async () => {
    await using where = await place()
    const { mkdir, writeFile } = await import('node:fs/promises')
    await mkdir(join(where.folder, 'indexes'))
    await writeFile(join(where.folder, 'indexes', 'x'), '')
    await expect(where.open()).rejects.toThrow('is missing or empty')
  })
})
