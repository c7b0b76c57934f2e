import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { DynamoDBClient, GetItemCommand, PutItemCommand, TransactionCanceledException, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb'
import { DeleteMessageCommand, GetQueueUrlCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { startQueueServer, type QueueServer } from '../support/queue-server.ts'
import { AWS_CLIENT } from '../support/server-process.ts'
import { startTableServer, tableServerSupported } from '../support/table-server.ts'

const SILENCE_MS = 600

let queues: QueueServer
beforeAll(async () => {
  queues = await startQueueServer()
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})
afterAll(() => queues[Symbol.asyncDispose]())

const send = (client: SQSClient, queue: string, body: string) => client.send(new SendMessageCommand({ QueueUrl: queue, MessageBody: body }))
const bodies = async (queue: string) => (await queues.messages(queue)).map(({ body }) => body)

describe('the queue server', () => {
  it('keeps a message, its attributes and its queue over a kill', async () => {
    const queue = await queues.createQueue('kept')
    const attributes = { kind: { DataType: 'String', StringValue: 'instruction' } }
    await queues.client.send(new SendMessageCommand({ QueueUrl: queue, MessageBody: '{"a":1}', MessageAttributes: attributes }))
    await queues.kill()
    await queues.restart()
    expect(await queues.counts(queue)).toEqual({ visible: 1, inFlight: 0 })
    const taken = await queues.messages(queue)
    expect(taken).toMatchObject([{ body: { a: 1 }, text: '{"a":1}', attributes: { kind: 'instruction' }, system: { ApproximateReceiveCount: '1' } }])
    expect(await queues.counts(queue)).toEqual({ visible: 0, inFlight: 0 })
  })

  it('keeps what is in flight so over a kill, and old handles valid', async () => {
    const queue = await queues.createQueue('in-flight')
    await send(queues.client, queue, 'held')
    const { Messages = [] } = await queues.client.send(new ReceiveMessageCommand({ QueueUrl: queue }))
    await queues.restart()
    expect(await queues.counts(queue)).toEqual({ visible: 0, inFlight: 1 })
    await queues.client.send(new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle: Messages[0]?.ReceiptHandle }))
    expect(await queues.counts(queue)).toEqual({ visible: 0, inFlight: 0 })
  })

  it('gives the messages of a FIFO group in order, one at a time, and moves one that nobody deletes to the dead letters', async () => {
    const pair = await queues.createPair('ordered', { fifo: true, dlq: true, maxReceives: 2, visibilitySeconds: 0 })
    expect(pair).toEqual({ input: expect.stringMatching(/\.fifo$/), output: expect.stringMatching(/\.fifo$/), dlq: expect.stringMatching(/\.fifo$/) })
    for (const text of ['first', 'second', 'third', 'third']) {
      await queues.client.send(new SendMessageCommand({ QueueUrl: pair.input, MessageBody: text, MessageGroupId: 'g', MessageDeduplicationId: text }))
    }
    const receive = new ReceiveMessageCommand({ QueueUrl: pair.input, MaxNumberOfMessages: 10 })
    for (let times = 0; times < 2; times += 1) {
      expect((await queues.client.send(receive)).Messages?.map(({ Body }) => Body)).toEqual(['first'])
    }
    expect(await bodies(pair.input)).toEqual(['second', 'third'])
    expect(await queues.messages(pair.dlq ?? '')).toMatchObject([{ body: 'first', system: { MessageGroupId: 'g' } }])
    expect(await bodies(pair.output)).toEqual([])
  })

  it('is reached by a client that knows its environment alone', async () => {
    for (const [name, value] of Object.entries(queues.env)) vi.stubEnv(name, value)
    const warned = vi.spyOn(console, 'warn')
    using client = disposable(new SQSClient())
    await queues.createQueue('by-environment')
    const { QueueUrl = '' } = await client.send(new GetQueueUrlCommand({ QueueName: 'by-environment' }))
    await send(client, QueueUrl, 'found')
    expect(await bodies(QueueUrl)).toEqual(['found'])
    expect(warned).not.toHaveBeenCalled()
  })

  it.runIf(process.platform === 'linux')('listens on loopback alone', () => {
    const port = Number(new URL(queues.url).port).toString(16).toUpperCase().padStart(4, '0')
    const sockets = readFileSync('/proc/net/tcp', 'latin1').split('\n')
    const listening = sockets.map((line) => line.trim().split(/\s+/)).filter(([, local, , state]) => state === '0A' && local?.endsWith(`:${port}`))
    expect(listening.map(([, local]) => local)).toEqual([`0100007F:${port}`])
  })
})

describe.skipIf(!tableServerSupported)('the table server (skipped where its binary is not made for the platform)', () => {
  it('keeps items over a kill, and writes conditionally and in transactions', async () => {
    await using tables = await startTableServer()
    await tables.createQueueTable('queues')
    await tables.createJournalTable('journal')
    const lease = (epoch: string) =>
      new PutItemCommand({
        TableName: 'queues',
        Item: { containerId: { S: 'c' }, threadId: { S: 't' }, epoch: { N: epoch } },
        ConditionExpression: 'attribute_not_exists(epoch) OR epoch < :epoch',
        ExpressionAttributeValues: { ':epoch': { N: epoch } },
      })
    await tables.client.send(lease('1'))
    await tables.kill()
    await tables.restart()
    await expect(tables.client.send(lease('1'))).rejects.toThrow(expect.objectContaining({ name: 'ConditionalCheckFailedException' }))
    await tables.client.send(lease('2'))

    const item = (sk: string) => ({ TableName: 'journal', Item: { pk: { S: 'p' }, sk: { S: sk } } })
    const both = (sk: string) =>
      new TransactWriteItemsCommand({ TransactItems: [{ Put: { ...item('1'), ConditionExpression: 'attribute_not_exists(pk)' } }, { Put: item(sk) }] })
    await tables.client.send(both('2'))
    const refused = await tables.client.send(both('3')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(TransactionCanceledException)
    expect((refused as TransactionCanceledException).CancellationReasons?.map(({ Code }) => Code)).toEqual(['ConditionalCheckFailed', 'None'])
    await tables.restart()
    const found = async (sk: string) => (await tables.client.send(new GetItemCommand({ TableName: 'journal', Key: item(sk).Item }))).Item !== undefined
    expect(await Promise.all(['1', '2', '3'].map(found))).toEqual([true, true, false])
  })

  it('is reached by a client that knows its environment alone', async () => {
    await using tables = await startTableServer()
    await tables.createJournalTable('journal')
    for (const [name, value] of Object.entries(tables.env)) vi.stubEnv(name, value)
    const client = new DynamoDBClient()
    await client.send(new PutItemCommand({ TableName: 'journal', Item: { pk: { S: 'p' }, sk: { S: 's' } } }))
    client.destroy()
  })
})

describe('the fault proxy', () => {
  let proxy: FaultProxy
  let client: SQSClient
  let queue: string
  beforeEach(async ({ task }) => {
    proxy = await startFaultProxy(queues.url)
    client = impatient(proxy.url)
    queue = proxy.through(await queues.createQueue(task.name.replaceAll(/\W+/g, '-').slice(0, 80)))
  })
  afterEach(async () => {
    client.destroy()
    await proxy[Symbol.asyncDispose]()
  })

  it('forwards and counts', async () => {
    await send(client, queue, 'a')
    await send(client, queue, 'b')
    await client.send(new ReceiveMessageCommand({ QueueUrl: queue, VisibilityTimeout: 0 }))
    expect(proxy.requests).toEqual({ SendMessage: 2, ReceiveMessage: 1 })
    expect(new Set(await bodies(queue))).toEqual(new Set(['a', 'b'])) // what was seen comes after what was not
  })

  it('is on the way of a client that knows its environment alone', async () => {
    for (const [name, value] of Object.entries({ ...queues.env, AWS_ENDPOINT_URL_SQS: proxy.url })) vi.stubEnv(name, value)
    using plain = disposable(new SQSClient())
    await send(plain, queue, 'a')
    expect(proxy.requests).toEqual({ SendMessage: 1 })
  })

  it('forwards late what its client no longer waits for', async () => {
    proxy.delay(SILENCE_MS * 2)
    await expect(send(client, queue, 'late')).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
    await vi.waitFor(async () => expect(await bodies(queue)).toEqual(['late']), 5000)
    proxy.heal()
    await send(client, queue, 'in time')
  })

  it('answers an action with a status as often as it is told to', async () => {
    proxy.answer(500, { match: (action) => action === 'SendMessage', times: 2 })
    for (let times = 0; times < 2; times += 1) {
      await expect(send(client, queue, 'refused')).rejects.toThrow(
        expect.objectContaining({ name: 'InternalFailure', $metadata: expect.objectContaining({ httpStatusCode: 500 }) }),
      )
    }
    await client.send(new ReceiveMessageCommand({ QueueUrl: queue }))
    await send(client, queue, 'taken')
    expect(await bodies(queue)).toEqual(['taken'])
  })

  it('can name the error, such as one of too many requests', async () => {
    proxy.answer(400, { type: 'ThrottlingException' })
    await expect(send(client, queue, 'refused')).rejects.toThrow(expect.objectContaining({ name: 'ThrottlingException' }))
    proxy.heal()
    await send(client, queue, 'taken')
    expect(await bodies(queue)).toEqual(['taken'])
  })

  it('sends a message twice', async () => {
    proxy.repeat('SendMessage', 1)
    const { MessageId } = await send(client, queue, 'double')
    await send(client, queue, 'single')
    const taken = await queues.messages(queue)
    expect(taken.map(({ body }) => body)).toEqual(['double', 'double', 'single'])
    expect(taken[1]?.id).toBe(MessageId)
  })

  it('loses an answer, and a client that tries again sends twice', async () => {
    proxy.dropAnswer('SendMessage')
    await expect(send(client, queue, 'once')).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
    expect(await bodies(queue)).toEqual(['once'])
    proxy.dropAnswer('SendMessage')
    using persistent = disposable(impatient(proxy.url, 3))
    await send(persistent, queue, 'twice')
    expect(await bodies(queue)).toEqual(['twice', 'twice'])
  })

  it('goes silent for a poll that is under way and for new connections, and serves new ones again afterwards', async () => {
    const receive = new ReceiveMessageCommand({ QueueUrl: queue, WaitTimeSeconds: 1, VisibilityTimeout: 1 }) // the message may go to the old poll first
    const poll = client.send(receive).catch((error: unknown) => error)
    await vi.waitFor(() => expect(proxy.requests).toEqual({ ReceiveMessage: 1 }))
    proxy.halfOpen(true)
    await expect(send(client, queue, 'unheard')).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
    proxy.halfOpen(false)
    expect(await poll).toMatchObject({ name: 'TimeoutError' })
    await send(client, queue, 'heard')
    await vi.waitFor(async () => expect(await bodies(queue)).toEqual(['heard']), 5000)
  })

  it('leaves a connection stuck that was stuck', async () => {
    using patient = disposable(new SQSClient({ endpoint: proxy.url, ...AWS_CLIENT, maxAttempts: 1 }))
    proxy.halfOpen(true)
    const cancelled = new AbortController()
    let settled = false
    const stuck = patient
      .send(new SendMessageCommand({ QueueUrl: queue, MessageBody: 'unheard' }), { abortSignal: cancelled.signal })
      .catch((error: unknown) => error)
      .finally(() => (settled = true))
    await vi.waitFor(() => expect(proxy.requests).toEqual({ SendMessage: 1 }))
    proxy.heal()
    await send(client, queue, 'heard')
    await setTimeout(SILENCE_MS)
    expect(settled).toBe(false)
    cancelled.abort()
    expect(await stuck).toMatchObject({ name: 'AbortError' })
    expect(await bodies(queue)).toEqual(['heard'])
  })

  it('cuts off a poll that is under way and new connections', async () => {
    const poll = client.send(new ReceiveMessageCommand({ QueueUrl: queue, WaitTimeSeconds: 1 })).catch((error: unknown) => error)
    await vi.waitFor(() => expect(proxy.requests).toEqual({ ReceiveMessage: 1 }))
    proxy.refuse(true)
    expect(await poll).toMatchObject({ code: 'ECONNRESET' })
    await expect(send(client, queue, 'refused')).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
    proxy.refuse(false)
    await send(client, queue, 'taken')
  })

  it('cuts its clients off while the server is away, and serves them when it is back', async () => {
    await queues.kill()
    await expect(send(client, queue, 'lost')).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
    await queues.restart()
    await send(client, queue, 'taken')
    expect(await bodies(queue)).toEqual(['taken'])
  })
})

/** Gives up on a silence. */
function impatient(endpoint: string, maxAttempts = 1): SQSClient {
  return new SQSClient({ endpoint, ...AWS_CLIENT, maxAttempts, requestHandler: { socketTimeout: SILENCE_MS, connectionTimeout: SILENCE_MS } })
}

function disposable(client: SQSClient): SQSClient & Disposable {
  return Object.assign(client, { [Symbol.dispose]: () => client.destroy() })
}
