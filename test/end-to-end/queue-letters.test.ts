import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { branchline } from '../support/command-line.ts'
import { startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueuePair, type QueueServer } from '../support/queue-server.ts'
import { talkBy, WORKER, type QueueTalk } from '../support/queue-talk.ts'
import { startService, type Service } from '../support/service.ts'

let [model, queues, pair, service, client, talk]: [Model, QueueServer, QueuePair, Service, Client, QueueTalk] = [
  undefined!,
  undefined!,
  undefined!,
  undefined!,
  undefined!,
  undefined!,
]
const env = (more: Readonly<Record<string, string>> = {}) => ({
  ...WORKER,
  ...queues.env,
  INPUT_QUEUE_URL: pair.input,
  OUTPUT_QUEUE_URL: pair.output,
  ANTHROPIC_BASE_URL: model.url,
  ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
  ...more,
})
beforeAll(async () => {
  ;[model, queues] = [await startModel(), await startQueueServer()]
  pair = await queues.createPair('letters')
  service = await startService({ env: env() })
  client = clientOf(service)
  talk = talkBy(queues.client, pair)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  for (const each of [model, queues]) await each[Symbol.asyncDispose]()
})

const said = async (args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
  const { code, out, err } = await branchline(args, more)
  expect([code, err]).toEqual([0, ''])
  return out
}

it('without a queue for them dead letters stay in the journal; the start says so, and dlq shows them and hands them in again', async () => {
  expect(service.output()).toMatch(/dead +kept in the journal/)
  const failing = model.fail('fails three times', 529, 99)
  const failed = await talk.run('given-up', 'write a.txt: fails three times')
  expect(failed).toMatchObject({ success: false, code: 'agent_failed', attempt: 3 })
  failing.stop()
  await talk.sendText('this is no JSON')
  await expect.poll(() => said(['dlq', 'list', '--url', service.url])).toMatch(/is no JSON/)
  const [first, second] = JSON.parse(await said(['dlq', 'list', '--url', service.url, '--json']))
  expect(first).toMatchObject({ commandId: failed.commandId, threadId: 'given-up', source: pair.input })
  expect(await said(['dlq', 'show', first.id, '--url', service.url])).toContain('write a.txt: fails three times')
  expect(await said(['dlq', 'retry', first.id, '--url', service.url])).toContain(`as ${failed.commandId}.retry-${first.id}`)
  expect(await talk.result(`${failed.commandId}.retry-${first.id}`)).toMatchObject({ success: true, filesChanged: ['a.txt'] })
  expect((await branchline(['dlq', 'retry', second.id, '--url', service.url])).err).toContain('was never accepted')
  expect(JSON.parse(await said(['dlq', 'list', '--url', service.url, '--json']))).toHaveLength(1)
  expect((await client.call('GET', '/api/dead-letters/99')).status).toBe(404)
})

it('what was refused for its id runs nothing when it is handed in again, and is not lost', async () => {
  const first = await talk.run('conflict', 'write first.txt: first')
  await talk.send('conflict', 'write second.txt: second', { commandId: first.commandId })
  const letters = async () => JSON.parse(await said(['dlq', 'list', '--url', service.url, '--json']))
  await expect.poll(async () => (await letters()).at(-1)?.reason).toMatch(/was used before/)
  const { id } = (await letters()).at(-1)
  expect((await branchline(['dlq', 'retry', id, '--url', service.url])).err).toContain('was never accepted')
  expect((await letters()).at(-1)).toMatchObject({ id, body: expect.stringContaining('second.txt') })
})

it('with a queue for them they go there, those of before too, and dlq works on that queue', async () => {
  const DLQ_URL = await queues.createQueue('dead')
  await service.restart({ DLQ_URL })
  await expect.poll(() => queues.counts(DLQ_URL)).toEqual({ visible: 2, inFlight: 0 })
  const failing = model.fail('fails once more', 529, 99)
  const failed = await talk.run('given-up', 'write b.txt: fails once more')
  failing.stop()
  await expect.poll(() => queues.counts(DLQ_URL)).toEqual({ visible: 3, inFlight: 0 })
  const aws = { ...queues.env, DLQ_URL }
  const letters = JSON.parse(await said(['dlq', 'list', '--json'], aws))
  expect(letters.map((each: { reason: string }) => each.reason)).toEqual(expect.arrayContaining([expect.stringContaining('is no JSON')]))
  const letter = letters.find((each: { commandId?: string }) => each.commandId === failed.commandId)
  expect(await said(['dlq', 'show', letter.id.slice(0, 8)], aws)).toContain('fails once more')
  expect(await said(['dlq', 'retry', letter.id], aws)).toContain(`as ${failed.commandId}.retry-${letter.id.slice(0, 8)}`)
  expect(await talk.result(`${failed.commandId}.retry-${letter.id.slice(0, 8)}`)).toMatchObject({ success: true, filesChanged: ['b.txt'] })
  expect(JSON.parse(await said(['dlq', 'list', '--json'], aws))).toHaveLength(2)
})

it('send --queue hands a message in by the queues that the environment names', async () => {
  const { code, out } = await branchline(['send', 'write', 'cli.txt:', 'by queue', '--queue', '--thread', 'cli'], env())
  expect(out).toMatch(/✓ Wrote cli\.txt\n {2}1 file: cli\.txt\n {2}branch thread-cli/)
  expect(code).toBe(0)
  expect((await branchline(['send', 'hello', '--queue'])).err).toContain('--queue: set QUEUE_TABLE and CONTAINER_ID')
})

it('HTTP and queues serve at the same time: who asks for a command of the other way gets its result', async () => {
  const held = model.hold('for both')
  const byQueue = await talk.send('both', 'write both.txt: for both')
  await held.reached
  const byHttp = client.send('both', 'write both.txt: for both', { commandId: byQueue })
  held.release()
  const { body } = await byHttp
  expect(body.result).toEqual(await talk.result(byQueue))
})

it('doctor says whether queues can be used', async () => {
  const [good, bad] = [
    await branchline(['doctor'], env({ WORKSPACE_PATH: service.workspace })),
    await branchline(['doctor'], env({ WORKSPACE_PATH: service.workspace, DLQ_URL: `${pair.input}-nowhere` })),
  ]
  expect(good.out).toMatch(/✓ queues +a pair of queues, dead letters stay in the journal/)
  expect(bad.out).toMatch(/✗ queues +DLQ_URL cannot be used/)
  expect(bad.code).toBe(1)
})
