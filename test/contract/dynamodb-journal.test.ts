import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DynamoDBClient, TransactionCanceledException } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDynamoJournal } from '../../src/journal/dynamodb/open.ts'
import { NotRecorded, refOf, type Journal } from '../../src/journal/journal.ts'
import { forCalls } from '../../src/queues/aws.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
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
      await journal.unbury(1) // writes take their turn, with all that belongs to them
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

  it('what was begun in pieces is finished, though the table refuses one of them for a while', async () => {
    await using where = await place()
    const first = await where.open()
    const large = Array.from({ length: 90 }, (_, at) => command(`l${at}`, 'one', { delivery: 'queue', instruction: 'x'.repeat(60_000) }))
    const { send } = server.client
    let count = 0
    server.client.send = ((request: { constructor: { name: string } }) => {
      const refused = request.constructor.name === 'TransactWriteItemsCommand' && (count += 1) === 3
      return refused ? Promise.reject(Object.assign(new Error('not now'), { name: 'AccessDeniedException' })) : Reflect.apply(send, server.client, [request])
    }) as typeof send
    try {
      const accepted = await Promise.all(large.map(async (each) => first.accept(await acceptance(each))))
      expect(accepted.filter(({ outcome }) => outcome === 'done')).toHaveLength(90)
    } finally {
      server.client.send = send
    }
    await first[Symbol.asyncDispose]()
    await reopened(where, async (journal) => expect(await journal.unfinished()).toHaveLength(90))
  })

  it('a copy that cannot be written refuses, and goes on when it can', async () => {
    await using where = await place()
    await using journal = await where.open()
    const copies = (await readdir(tmpdir())).filter((name) => name.startsWith(`branchline-journal-${process.pid}-`))
    const held = copies.map((name) => new DatabaseSync(join(tmpdir(), name, 'journal.sqlite')))
    for (const each of held) each.exec('BEGIN IMMEDIATE')
    await expect(journal.accept(await acceptance(command('a')))).rejects.toThrow(NotRecorded)
    for (const each of held) each.close()
    expect(await journal.accept(await acceptance(command('a')))).toMatchObject({ outcome: 'done' })
  })

  it('is not opened with a folder that is not its own, such as where storage is not mounted', async () => {
    await using where = await place()
    await reopened(where, async (journal) => void (await journal.accept(await acceptance(command('a')))))
    await using other = await place()
    const opened = openDynamoJournal({ client: server.client, table: 'journal', key: where.key, folder: other.folder, ttlMs: 600 })
    await expect(opened).rejects.toThrow('is not the folder of the journal')
    await reopened(where, async (journal) => expect(await journal.unfinished()).toHaveLength(1))
  })

  it('two that begin a new folder at once do not lock it for those that come later', async () => {
    await using where = await place(600)
    const opened = await Promise.allSettled([where.open(), where.open(), where.open()])
    const [journal, ...more] = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    expect(more).toEqual([])
    await journal?.[Symbol.asyncDispose]()
    await reopened(where, async (next) => expect(next.epoch).toBe((journal?.epoch ?? 0) + 1))
  })

  it('a lease whose answer is lost is held all the same', async () => {
    await using where = await place()
    await using proxy = await startFaultProxy(server.url)
    proxy.dropAnswer('PutItem', 1)
    proxy.dropAnswer('Query', 1)
    const client = new DynamoDBClient({ ...forCalls('us-east-1'), credentials: { accessKeyId: 'x', secretAccessKey: 'y' }, endpoint: proxy.url })
    await using journal = await openDynamoJournal({ client, table: 'journal', key: where.key, folder: where.folder, ttlMs: 60_000 })
    expect(await journal.accept(await acceptance(command('a')))).toMatchObject({ outcome: 'done' })
    client.destroy()
  })

  it('waiting for a lease ends when the service is told to stop', async () => {
    await using where = await place()
    await using _held = await where.open()
    const stop = new AbortController()
    const waiting = openDynamoJournal({ client: server.client, table: 'journal', key: where.key, folder: where.folder, ttlMs: 3_600_000, stop: stop.signal })
    stop.abort()
    await expect(waiting).rejects.toThrow('aborted')
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
    await expect(where.open()).rejects.toThrow('though')
  })
})
