import { UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, type QueueClient } from '../../src/client.ts'
import { ThreadId } from '../../src/command/ids.ts'
import { putContainer, putEntry, readContainer, readEntry, type Rows } from '../../src/queues/table.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueueServer } from '../support/queue-server.ts'
import { talkBy, WORKER } from '../support/queue-talk.ts'
import { startService, type Service } from '../support/service.ts'
import { startTableServer, tableServerSupported, type TableServer } from '../support/table-server.ts'

const CONTAINER = {
  ...WORKER,
  CONTAINER_ID: 'acme-project-me',
  QUEUE_TABLE: 'queues',
  JOURNAL_TABLE: 'journal',
  LEASE_TTL_SECONDS: '6',
  QUEUE_TABLE_SECONDS: '1',
}

describe.skipIf(!tableServerSupported)('a container whose queues are in a table (needs the table server, which this platform lacks)', () => {
  let [model, queues, tables]: [Model, QueueServer, TableServer] = [undefined!, undefined!, undefined!]
  let [service, client, sender, rows]: [Service, Client, QueueClient, Rows] = [undefined!, undefined!, undefined!, undefined!]
  const env = () => ({ ...CONTAINER, ...queues.env, ...tables.env, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' })

  beforeAll(async () => {
    ;[model, queues, tables] = [await startModel(), await startQueueServer(), await startTableServer()]
    Object.assign(process.env, queues.env, tables.env) // for the sending side, which is in this process
    await tables.createQueueTable('queues')
    await tables.createJournalTable('journal')
    rows = { client: tables.client, table: 'queues', containerId: 'acme-project-me' }
    service = await startService({ env: env() })
    client = clientOf(service)
    sender = await connect({ table: 'queues', clientId: 'acme', projectId: 'project', userId: 'me' })
  })
  afterAll(async () => {
    await sender[Symbol.asyncDispose]()
    await service[Symbol.asyncDispose]()
    for (const each of [model, queues, tables]) await each[Symbol.asyncDispose]()
  })

  it('a new thread gets queues and a row, and its message is heard at once', async () => {
    expect(await readContainer(rows)).toMatchObject({ state: 'running', doorbellQueueUrl: expect.stringContaining('branchline-doorbell-acme-project-me') })
    expect(await sender.send({ threadId: 'new', instruction: 'write hello.txt: Hello' })).toMatchObject({ success: true, branch: 'thread-new' })
    expect(await readEntry(rows, 'new')).toMatchObject({ inputQueueUrl: expect.stringMatching(/branchline-input-acme-project-me-new\.fifo$/), state: 'active' })
  })

  it('what is sent again gives the same result', async () => {
    const message = { threadId: 'again', commandId: 'again-1', instruction: 'write again.txt: once' }
    const first = await sender.send(message)
    expect(await sender.send(message)).toEqual(first)
    await expect(sender.send({ ...message, threadId: '../bad' })).rejects.toThrow('must be 1 to 128 characters')
  })

  it('a front end that knows nothing of us is heard too: a row of its own, queues of its own, no bell', async () => {
    const pair = await queues.createPair('theirs')
    await putEntry(rows, { threadId: ThreadId.parse('theirs'), inputQueueUrl: pair.input, outputQueueUrl: pair.output, state: 'active', updatedAt: 1 })
    expect(await talkBy(queues.client, pair).run('theirs', 'write theirs.txt: theirs')).toMatchObject({ success: true })
  })

  it('a message for another thread than that of its queue is refused', async () => {
    const pair = await queues.createPair('stray', { dlq: true })
    await putEntry(rows, { threadId: ThreadId.parse('stray'), inputQueueUrl: pair.input, outputQueueUrl: pair.output, state: 'active', updatedAt: 1 })
    expect(await talkBy(queues.client, pair).run('new', 'write stray.txt: stray')).toMatchObject({ success: false, code: 'rejected' })
    await expect.poll(() => queues.counts(pair.dlq ?? '')).toMatchObject({ visible: 1 })
  })

  it('a queue that changes is followed, and one that is closed is not listened to any more', async () => {
    const [old, moved] = [await queues.createPair('old'), await queues.createPair('moved')]
    const row = (pair: typeof old, state: string, updatedAt: number) =>
      putEntry(rows, { threadId: ThreadId.parse('moves'), inputQueueUrl: pair.input, outputQueueUrl: pair.output, state, updatedAt })
    await row(old, 'active', 1)
    expect(await talkBy(queues.client, old).run('moves', 'hello')).toMatchObject({ success: true })
    await row(moved, 'active', 2)
    expect(await talkBy(queues.client, moved).run('moves', 'hello again')).toMatchObject({ success: true })
    await row(moved, 'closed', 3)
    await expect.poll(() => service.output(), { timeout: 30_000 }).toMatch(/"event":"queue.gone","threadId":"moves"/)
    await talkBy(queues.client, moved).send('moves', 'nobody hears this')
    await sender.send({ threadId: 'new', instruction: 'hello' })
    const { visible, inFlight } = await queues.counts(moved.input)
    expect(visible + inFlight).toBe(1)
  })

  it('a row whose results would come back as messages is passed over', async () => {
    const { input } = await queues.createPair('loop')
    await putEntry(rows, { threadId: ThreadId.parse('loop'), inputQueueUrl: input, outputQueueUrl: input, state: 'active', updatedAt: 1 })
    await expect.poll(() => service.output()).toMatch(/"event":"queue.passed_over","threadId":"loop"/)
  })

  it('a row that is none is passed over and told, and the others go on', async () => {
    const Key = { containerId: { S: 'acme-project-me' }, threadId: { S: '../../etc' } }
    await tables.client.send(
      new UpdateItemCommand({ TableName: 'queues', Key, UpdateExpression: 'SET inputQueueUrl = :x', ExpressionAttributeValues: { ':x': { S: 'file:///x' } } }),
    )
    await expect.poll(() => service.output(), { timeout: 30_000 }).toMatch(/"event":"queue.passed_over"/)
    expect(await sender.send({ threadId: 'new', instruction: 'hello' })).toMatchObject({ success: true })
  })

  it('killed in the middle of a run, another container takes over and finishes by resuming', async () => {
    const held = model.hold('after the kill', 1)
    const result = sender.send({ threadId: 'taken', commandId: 'taken-1', instruction: 'run echo after the kill > half.txt then write whole.txt: whole' })
    await held.reached
    await service.kill()
    held.release()
    await service.restart()
    expect(await result).toMatchObject({ success: true, attempt: 2 })
    expect(await client.git('log', '--format=%(trailers:key=Outcome,valueonly,separator=)', '^main', 'thread-taken')).toMatch(/completed\s+recovered/)
    expect(await client.git('show', 'thread-taken:half.txt')).toBe('after the kill')
  })

  it('two containers do not share a workspace: the second one is told, and the first goes on', async () => {
    await expect(startService({ workspace: service.workspace.replace(/\/workspace$/, ''), env: env() })).rejects.toThrow('is in use by another Branchline')
    expect(await sender.send({ threadId: 'new', instruction: 'hello' })).toMatchObject({ success: true })
  })

  it('stopped, it is woken by whoever sends it something, and the message is done', async () => {
    await service.terminate()
    let woken = 0
    const wake = async (): Promise<void> => {
      woken += 1
      if (!service.alive) await service.restart()
    }
    const states: string[] = []
    await using waking = await connect({
      table: 'queues',
      clientId: 'acme',
      projectId: 'project',
      userId: 'me',
      wake,
      onProgress: (state) => void states.push(state),
    })
    expect(await waking.send({ threadId: 'sleeps', instruction: 'write awake.txt: awake' })).toMatchObject({ success: true })
    expect(woken).toBe(1)
    expect(states.slice(0, 2)).toEqual(['sent', 'waking'])
  })

  it('stopped, it says so, and gives its workspace to the next one at once', async () => {
    await service.terminate()
    expect(await readContainer(rows)).toMatchObject({ state: 'stopped', clientId: 'acme', userId: 'me' })
    await putContainer(rows, { instance: 'one that died', state: 'running', updatedAt: 1 }, 'starting')
    await service.restart()
    expect(await readContainer(rows)).toMatchObject({ state: 'running' })
    await service.terminate()
    await putContainer(rows, { instance: 'of another', state: 'running', clientId: 'acme-project', updatedAt: 1 }, 'starting')
    await expect(service.restart()).rejects.toThrow('is of another client, project or user')
    await putContainer(rows, { instance: 'gone', state: 'stopped', updatedAt: 1 }, 'starting')
    await service.restart()
  })

  it.each(['QUEUE_TABLE', 'JOURNAL_TABLE'])('a %s that is not there is said at the start', async (name) => {
    const other = { ...env(), CONTAINER_ID: 'acme-project-otto', USER_ID: 'otto', [name]: 'nowhere' }
    await expect(startService({ env: other })).rejects.toThrow(new RegExp(`${name}: the table nowhere cannot be used`))
  })
})
