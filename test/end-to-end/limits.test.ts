import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { SLOWLY, startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({
    env: {
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
      CONCURRENCY: '1',
      RUN_TIMEOUT: '0.08',
      RUN_LIMIT: '0.3', // so much longer that a slow start of an agent does not let the limit come before the silence
      INTERRUPT_GRACE_MS: '1500',
    },
  })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

describe('a stuck run', () => {
  it('ends after RUN_TIMEOUT without a sign of life; what was done is committed', async () => {
    await client.run('silent', 'write begun.txt: here') // its agent is alive from here on: nothing but the command below is silent
    const id = await client.post('silent', 'write kept.txt: kept then run sleep 60; echo never')
    expect(await client.result(id)).toMatchObject({
      success: false,
      code: 'timeout',
      error: expect.stringContaining('RUN_TIMEOUT'),
      filesChanged: ['kept.txt'],
    })
    expect(await client.run('silent', 'write ok.txt: fine')).toMatchObject({ success: true })
  })
  it('ends after RUN_LIMIT however lively it is', async () => {
    const result = await client.run('endless', `tell ${SLOWLY}`)
    expect(result).toMatchObject({ success: false, code: 'timeout', error: expect.stringContaining('RUN_LIMIT') })
  })
})

it('with one lane a message for another thread interrupts the running one and is next', async () => {
  const first = await client.post('a', `tell ${SLOWLY}`)
  await client.event('a', (event) => event.type === 'agent.said' && event.commandId === first)
  const waiting = await client.post('a', 'write later.txt: x', { delivery: 'queue' })
  const other = await client.run('b', 'write b.txt: b')
  expect(other.success).toBe(true)
  expect(await client.result(first)).toMatchObject({ interrupted: true, error: expect.stringContaining(other.commandId) })
  expect(await client.result(waiting)).toMatchObject({ success: true })
})

it('attachments reach the model, with their text and their pictures', async () => {
  const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64').toString('base64')
  const attachments = [
    { name: 'notes.txt', mediaType: 'text/plain', data: Buffer.from('the blue one, please').toString('base64') },
    { name: 'dot.png', mediaType: 'image/png', data: picture },
  ]
  expect(await client.run('attached', 'look at this', { attachments })).toMatchObject({ success: true })
  const sent = JSON.stringify(model.requests.at(-1)?.messages)
  expect(sent).toContain('the blue one, please')
  expect((await client.git('ls-tree', '--name-only', 'thread-attached')).split('\n')).toEqual(['README.md', 'src'])
})

it('a command stops when what it may cost is spent; what was done is committed', async () => {
  model.price('dear.txt')
  const result = await client.run('dear', 'write dear.txt: x then write never.txt: y', { maxCostUsd: 0.01 })
  expect(result).toMatchObject({ success: false, code: 'budget', filesChanged: expect.arrayContaining(['dear.txt']) })
  expect(await client.run('dear', 'write cheap.txt: z')).toMatchObject({ success: true })
})
