import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { connect, type Result } from '../../src/client.ts'
import { clientOf } from '../support/client.ts'
import { makeFailpoints } from '../support/failpoints.ts'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { keepAlive } from '../support/keeper.ts'
import { startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueuePair, type QueueServer } from '../support/queue-server.ts'
import { talkBy, wire, WORKER, type QueueTalk } from '../support/queue-talk.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { startTableServer, tableServerSupported } from '../support/table-server.ts'
import { check } from './checker.ts'

let [model, queues]: [Model, QueueServer] = [undefined!, undefined!]
beforeAll(async () => {
  ;[model, queues] = [await startModel(), await startQueueServer()]
})
afterAll(async () => {
  for (const each of [model, queues]) await each[Symbol.asyncDispose]()
})
const key = { ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' }

describe('between the service and its queues', () => {
  let [proxy, pair, service, talk]: [FaultProxy, QueuePair, Service, QueueTalk] = [undefined!, undefined!, undefined!, undefined!]
  beforeAll(async () => {
    proxy = await startFaultProxy(queues.url)
    pair = await queues.createPair('faults', { dlq: true, visibilitySeconds: 2 })
    const env = { ...WORKER, ...queues.env, AWS_ENDPOINT_URL_SQS: proxy.url, INPUT_QUEUE_URL: pair.input, OUTPUT_QUEUE_URL: pair.output }
    service = await startService({ env: { ...env, ANTHROPIC_BASE_URL: model.url, ...key } })
    talk = talkBy(queues.client, pair)
  })
  afterAll(async () => {
    await service[Symbol.asyncDispose]()
    await proxy[Symbol.asyncDispose]()
  })

  afterEach(() => proxy.heal())

  it('a lost answer to a delete brings a message again, which runs nothing twice', async () => {
    proxy.dropAnswer('DeleteMessageBatch', 3)
    expect(await talk.run('lost', 'write lost.txt: once')).toMatchObject({ success: true })
    proxy.answer(400, { match: (action) => action === 'DeleteMessageBatch', type: 'ReceiptHandleIsInvalid', times: 2 })
    const again = await talk.send('lost', 'write more.txt: once')
    expect(await talk.result(again)).toMatchObject({ success: true })
    await expect.poll(() => queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
    expect(talk.results.filter((each) => each.commandId === again)).toHaveLength(1)
    expect((await queues.counts(pair.dlq ?? '')).visible).toBe(0)
  })

  it('one id fifty times at once is one run and one result', async () => {
    const command = JSON.stringify(wire('fifty', 'write fifty.txt: once', { commandId: 'fifty-1' }))
    await Promise.all(Array.from({ length: 50 }, () => talk.sendText(command)))
    expect(await talk.result('fifty-1')).toMatchObject({ success: true, attempt: 1 })
    await expect.poll(() => queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
    expect(new Set(talk.results.filter((each) => each.commandId === 'fifty-1').map((each) => each.commit)).size).toBe(1)
  })

  it('an answer that is sent twice because its own answer was lost has one id and one content', async () => {
    proxy.dropAnswer('SendMessage', 1)
    const command = await talk.send('doubled', 'write doubled.txt: once')
    const first = await talk.result(command)
    await expect
      .poll(async () => {
        await talk.run('other', 'hello')
        return talk.results.filter((each) => each.commandId === command)
      })
      .toEqual([first, first])
  })

  it('while results cannot be sent runs go on; then all arrive, in order for each thread', async () => {
    const client = clientOf(service)
    proxy.answer(500, { match: (action) => action === 'SendMessage' })
    const sent: string[] = []
    for (let n = 0; n < 4; n += 1) for (const thread of ['down-a', 'down-b']) sent.push(await talk.send(thread, `note ${n}`, { type: 'commit' }))
    for (const id of sent) expect(await client.result(id)).toMatchObject({ success: true })
    expect(talk.results.filter((each) => sent.includes(each.commandId))).toEqual([])
    proxy.heal()
    for (const id of sent) await talk.result(id)
    for (const thread of ['down-a', 'down-b']) {
      const order = talk.results.filter((each) => each.sessionId === thread).map((each) => each.commandId)
      expect(order).toEqual(sent.filter((id) => order.includes(id)))
    }
  })

  it.each([
    ['is half open', (on: boolean) => proxy.halfOpen(on)],
    ['refuses', (on: boolean) => proxy.refuse(on)],
  ])('a connection that %s is left, and messages flow again by themselves', async (_, fault) => {
    fault(true)
    const command = await talk.send('again', 'hello')
    const before = await cpuSeconds(service.pid)
    await new Promise((resolve) => setTimeout(resolve, 3000)) // the fault lasts; what it costs is measured
    expect((await cpuSeconds(service.pid)) - before).toBeLessThan(0.3)
    fault(false)
    expect(await talk.result(command)).toMatchObject({ success: true })
  })
})

async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** What came for each command. */
const copies = (results: readonly Result[]): readonly (readonly Result[])[] => [...Map.groupBy(results, ({ commandId }) => commandId).values()]

describe('the journal cannot be written', () => {
  it('messages stay in their queue, and are taken when it can again', async () => {
    const pair = await queues.createPair('unwritable', { dlq: true, visibilitySeconds: 1 })
    const env = { ...WORKER, ...queues.env, INPUT_QUEUE_URL: pair.input, OUTPUT_QUEUE_URL: pair.output, ANTHROPIC_BASE_URL: model.url, ...key }
    await using service = await startService({ env })
    const [talk, journal] = [talkBy(queues.client, pair), join(service.workspace, '.branchline', 'journal.sqlite')]
    await talk.run('one', 'hello')
    await rename(journal, `${journal}.away`)
    await expect.poll(async () => (await fetch(`${service.url}/health`)).status).toBe(503)
    const commands = [await talk.send('one', 'write a.txt: A'), await talk.send('two', 'write b.txt: B')]
    await new Promise((resolve) => setTimeout(resolve, 3000)) // longer than one poll, and than a message is unseen
    const { visible, inFlight } = await queues.counts(pair.input)
    expect(visible + inFlight).toBe(2)
    await rename(`${journal}.away`, journal)
    for (const command of commands) expect(await talk.result(command)).toMatchObject({ success: true })
    expect((await queues.counts(pair.dlq ?? '')).visible).toBe(0)
  })

  it('killed between recording a message and deleting it, it is done once', async () => {
    const folder = await temporaryFolder()
    const failpoints = await makeFailpoints(`${folder}/failpoints`)
    const pair = await queues.createPair('between', { visibilitySeconds: 1 })
    const env = { ...WORKER, ...queues.env, INPUT_QUEUE_URL: pair.input, OUTPUT_QUEUE_URL: pair.output, ANTHROPIC_BASE_URL: model.url, ...key }
    await using service = await startService({ env: { ...env, ...failpoints.env } })
    await using _kept = keepAlive(service)
    const talk = talkBy(queues.client, pair)
    failpoints.kill('accept.recorded')
    expect(await talk.run('one', 'write a.txt: A')).toMatchObject({ success: true, attempt: 2 })
    failpoints.kill('result.delivered') // the next one to pass, which may still be that of the first
    await talk.run('one', 'write b.txt: B')
    await expect
      .poll(async () => {
        await talk.run('other', 'hello')
        return copies(talk.results).filter(([, ...more]) => more.length > 0)
      })
      .toHaveLength(1)
    for (const [first, ...more] of copies(talk.results)) for (const copy of more) expect(copy).toEqual(first)
    await expect.poll(() => queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
  })
})

describe.skipIf(!tableServerSupported)('the table of the journal (needs the table server, which this platform lacks)', () => {
  it('is away: a short while nothing is lost, a long one the service ends, and the next one goes on', async () => {
    await using tables = await startTableServer()
    await using proxy = await startFaultProxy(tables.url)
    await tables.createJournalTable('journal')
    const pair = await queues.createPair('table', { visibilitySeconds: 1 })
    const talk = talkBy(queues.client, pair)
    const env = {
      ...WORKER,
      ...queues.env,
      INPUT_QUEUE_URL: pair.input,
      OUTPUT_QUEUE_URL: pair.output,
      AWS_ENDPOINT_URL_DYNAMODB: proxy.url,
      JOURNAL_TABLE: 'journal',
      CONTAINER_ID: 'acme-project-me',
      LEASE_TTL_SECONDS: '6',
      ANTHROPIC_BASE_URL: model.url,
      ...key,
    }
    await using service = await startService({ env })
    proxy.dropAnswer('TransactWriteItems', 2)
    expect(await talk.run('short', 'write a.txt: A')).toMatchObject({ success: true, attempt: 1 })
    proxy.answer(500, { match: (action) => action === 'TransactWriteItems', times: 3 })
    expect(await talk.run('short', 'write b.txt: B')).toMatchObject({ success: true, attempt: 1 })
    const held = model.hold('while the table is away')
    const command = await talk.send('long', 'write c.txt: while the table is away')
    await held.reached
    proxy.halfOpen(true)
    expect(await service.ended).toBe(1)
    expect(service.output()).toContain('the lease of this workspace could not be renewed in time')
    held.release()
    proxy.halfOpen(false)
    await service.restart()
    expect(await talk.result(command)).toMatchObject({ success: true, attempt: 2 })
    expect(await check(service.workspace, { quiet: true, journal: { client: tables.client, table: 'journal', key: 'acme-project-me' } })).toEqual([])
  })

  it('two hundred threads of one container are all heard, each by a queue of its own', { timeout: 180_000 }, async () => {
    await using tables = await startTableServer()
    await tables.createQueueTable('queues')
    Object.assign(process.env, queues.env, tables.env) // for the sending side, which is in this process
    const env = { ...WORKER, ...queues.env, ...tables.env, CONTAINER_ID: 'acme-project-me', QUEUE_TABLE: 'queues', QUEUE_TABLE_SECONDS: '1' }
    await using service = await startService({ env: { ...env, QUEUE_PREFIX: 'many', MAX_RUNS: '2', ANTHROPIC_BASE_URL: model.url, ...key } })
    await using sender = await connect({ table: 'queues', clientId: 'acme', projectId: 'project', userId: 'me', prefix: 'many' })
    const threads = Array.from({ length: 200 }, (_, n) => `thread${n}`)
    // What is refused takes no work tree, and is answered all the same.
    const refused = (threadId: string) => sender.send({ threadId, instruction: '' })
    const results = await Promise.all(threads.map(refused))
    expect(new Set(results.map(({ sessionId, code }) => `${sessionId} ${code}`))).toEqual(new Set(threads.map((threadId) => `${threadId} rejected`)))
    await Promise.all(threads.toReversed().map(refused))
    const real = await Promise.all(['thread0', 'thread77', 'thread199'].map((threadId) => sender.send({ threadId, instruction: 'write a.txt: A' })))
    expect(real.map(({ branch }) => branch)).toEqual(['thread-thread0', 'thread-thread77', 'thread-thread199'])
    expect(service.alive).toBe(true)
  })
})
