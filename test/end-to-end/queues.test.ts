import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { NO_IMAGE } from '../support/image.ts'
import { SLOWLY, startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueuePair, type QueueServer } from '../support/queue-server.ts'
import { talkBy, wire, WORKER, type QueueTalk } from '../support/queue-talk.ts'
import { startService, type Service } from '../support/service.ts'

let [model, queues]: [Model, QueueServer] = [undefined!, undefined!]
beforeAll(async () => {
  ;[model, queues] = [await startModel(), await startQueueServer()]
})
afterAll(async () => {
  await queues[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

describe.skipIf(process.env['TEST_PROJECT'] === 'image' && process.env[NO_IMAGE] !== undefined).each([
  ['standard queues', false],
  ['FIFO queues', true],
])('by %s', (_, fifo) => {
  let [pair, service, client, talk]: [QueuePair, Service, Client, QueueTalk] = [undefined!, undefined!, undefined!, undefined!]
  beforeAll(async () => {
    pair = await queues.createPair(fifo ? 'ordered' : 'plain', { fifo, dlq: true })
    service = await startService({
      env: {
        ...WORKER,
        ...queues.env,
        INPUT_QUEUE_URL: pair.input,
        OUTPUT_QUEUE_URL: pair.output,
        ANTHROPIC_BASE_URL: model.url,
        ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
      },
    })
    client = clientOf(service)
    talk = talkBy(queues.client, pair)
  })
  afterAll(() => service[Symbol.asyncDispose]())

  it('a command in the wire format becomes a commit, and its result has every field of it', async () => {
    const result = await talk.run('first', 'write hello.txt: Hello')
    expect(result).toMatchObject({ sessionId: 'first', success: true, filesChanged: ['hello.txt'], branch: 'thread-first' })
    expect(typeof result.timestamp).toBe('number')
    expect(await client.git('log', '-1', '--format=%(trailers:key=Requested-By,valueonly,separator=)', 'thread-first')).toBe('anna@example.com')
    expect(await queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
  })

  it('every type does what it says', async () => {
    await talk.run('kinds', 'write a.txt: A')
    expect(await talk.run('kinds', 'look', { mode: 'plan' })).toMatchObject({ success: true })
    expect(await talk.run('kinds', 'kept', { type: 'commit' })).toMatchObject({ success: true, summary: 'nothing to commit' })
    expect(await talk.run('kinds', '', { type: 'push' })).toMatchObject({ success: true, pushed: true })
    expect(await talk.run('kinds', '', { type: 'build' })).toMatchObject({ success: false, code: 'rejected' }) // there is nothing to build here
  })

  it('a newer message interrupts; both pieces of work are in the log', async () => {
    await talk.run('stream', 'write before.txt: first')
    const slow = await talk.send('stream', `tell a long story ${SLOWLY}`)
    await client.event('stream', (event) => event.type === 'agent.said' && event.commandId === slow)
    const newer = await talk.send('stream', 'write after.txt: second')
    expect(await talk.result(slow)).toMatchObject({ success: false, interrupted: true, code: 'interrupted' })
    expect(await talk.result(newer)).toMatchObject({ success: true, filesChanged: ['after.txt'] })
  })

  it('a message for another thread never waits behind a run', async () => {
    const held = model.hold(`wait for ${pair.input}`)
    const waiting = await talk.send('busy', `run echo wait for ${pair.input}`)
    await held.reached
    expect(await talk.run('free', 'write free.txt: free')).toMatchObject({ success: true })
    held.release()
    expect(await talk.result(waiting)).toMatchObject({ success: true })
  })

  it('a command that comes twice gives one result, and who sends it anew gets the same one', async () => {
    const command = wire('twice', 'write twice.txt: once')
    await Promise.all(Array.from({ length: 5 }, () => talk.sendText(JSON.stringify(command), 'twice')))
    const first = await talk.result(command.commandId)
    const before = talk.results.length
    await talk.sendText(JSON.stringify(command), 'twice')
    await expect
      .poll(async () => (await talk.run('twice', 'hello')) && talk.results.slice(before).find((each) => each.commandId === command.commandId))
      .toEqual(first)
    expect(await client.git('rev-list', '--count', 'thread-twice', '^main')).toBe('1')
  })

  it('the same id with another body is refused, and told to nobody as a result', async () => {
    const command = wire('conflict', 'write one.txt: one')
    await talk.sendText(JSON.stringify(command), 'conflict')
    await talk.result(command.commandId)
    await talk.sendText(JSON.stringify({ ...command, instruction: 'write two.txt: two' }), 'conflict')
    await expect.poll(() => queues.counts(pair.dlq ?? '')).toMatchObject({ visible: 1 })
    const [dead] = await queues.messages(pair.dlq ?? '')
    expect(dead?.attributes).toMatchObject({ Reason: `commandId: ${command.commandId} was used before for another command`, CommandId: command.commandId })
    expect(talk.results.filter((each) => each.commandId === command.commandId)).toHaveLength(1)
  })

  it.each([
    ['no JSON', '{"chatThreadId":', /is no JSON/],
    ['nested without end', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, /body: must be an object/],
    ['with __proto__', '{"__proto__":{"type":"edit"}}', /sessionId: is needed/],
    ['with a byte order mark', `\uFEFF${JSON.stringify(wire('bom', 'hello'))}`, /is no JSON/],
    ['with half of a surrogate pair', JSON.stringify(wire('half', 'x')).replace('"x"', String.raw`"\ud800"`), /well-formed/],
    ['with a NUL', JSON.stringify(wire('nul', 'a\0b')), /NUL/],
    ['that is too long', JSON.stringify(wire('long', 'x'.repeat(300_000))), /instruction/],
    ['of another client', JSON.stringify(wire('other', 'hello', { clientId: 'else' })), /clientId: this queue belongs to another one/],
    ['with a thread that is a path', JSON.stringify(wire('../x', 'hello')), /chatThreadId/],
  ])('a message %s is a dead letter with the reason, and good ones go on', async (_name, text, reason) => {
    await talk.sendText(text, 'poison')
    const good = await talk.run('good', 'hello')
    expect(good.success).toBe(true)
    await expect.poll(() => queues.counts(pair.dlq ?? '')).toMatchObject({ visible: 1 })
    const [dead] = await queues.messages(pair.dlq ?? '')
    expect(dead?.attributes['Reason']).toMatch(reason)
    expect(dead?.attributes['Source']).toBe(pair.input)
  })

  it('who sent a message that does not fit is told, where it says who it is', async () => {
    const { commandId, ...command } = wire('unfit', 'hello')
    await talk.sendText(JSON.stringify({ ...command, commandId, type: 'dance' }), 'unfit')
    expect(await talk.result(commandId)).toMatchObject({ success: false, code: 'rejected', error: expect.stringContaining('type: must be one of edit') })
    await queues.messages(pair.dlq ?? '')
  })
  it('what came is counted, with its age', async () => {
    const shown = await (await fetch(`${service.url}/metrics`)).text()
    const value = (line: string): number =>
      Number(
        shown
          .split('\n')
          .find((each) => each.startsWith(`branchline_${line} `))
          ?.split(' ')
          .at(-1),
      )
    expect(value('queue_messages_total{fate="taken"}')).toBeGreaterThan(10)
    expect(value('queue_message_age_seconds_count')).toBeGreaterThan(10)
    expect(value('dead_letters_total{why="refused"}')).toBeGreaterThan(5)
  })
})
