import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunEvent } from '../../src/command/event.ts'
import { clientOf, type Client } from '../support/client.ts'
import { SLOWLY, startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** The events up to the end of a command, over streams that are cut after every `cutAfter` events. */
async function collected(thread: string, commandId: string, cutAfter: number): Promise<readonly RunEvent[]> {
  const seen: RunEvent[] = []
  for (;;) {
    let here = 0
    for await (const event of client.events(thread, seen.at(-1)?.id)) {
      seen.push(event)
      if (event.type === 'run.ended' && event.commandId === commandId) return seen
      if (++here === cutAfter) break
    }
  }
}

it('a stream that is cut and resumed again and again misses nothing and repeats nothing', async () => {
  const id = await client.post('cut', 'write a.txt: a then run echo hello then write b.txt: b')
  const [pieces, whole] = await Promise.all([collected('cut', id, 2), collected('cut', id, 1000)])
  expect(pieces).toEqual(whole)
  expect(whole.map((event) => event.id)).toEqual(whole.map((_, at) => `1.${at + 1}`))
  const types = whole.map((event) => event.type)
  expect(types).toEqual(
    expect.arrayContaining(['command.accepted', 'run.started', 'agent.said', 'tool.started', 'tool.ended', 'files.changed', 'commit.made', 'run.ended']),
  )
})

it('goes on over a restart of the service', async () => {
  const first = await client.post('over', 'write a.txt: a')
  const before = await collected('over', first, 1000)
  await service.kill()
  await service.restart()
  const second = await client.post('over', 'write b.txt: b')
  const after = await collected('over', second, 1000)
  expect(after.slice(0, before.length)).toEqual(before)
  expect(after.at(-1)?.id).toMatch(/^2\./)
  const resumed: RunEvent[] = []
  for await (const event of client.events('over', before.at(-1)?.id)) {
    resumed.push(event)
    if (event.type === 'run.ended') break
  }
  expect(resumed).toEqual(after.slice(before.length))
})

it('an id that is no id is refused', async () => {
  expect((await client.call('GET', client.thread('cut', 'events'), undefined, { 'last-event-id': 'nonsense' })).status).toBe(400)
})

it('text of the agent comes while it is being written', async () => {
  const id = await client.post('live', `tell ${SLOWLY}`)
  const event = await client.event('live', (each) => each.type === 'agent.said' && each.commandId === id)
  expect(event).toMatchObject({ text: expect.stringContaining('word') })
  expect((await client.call('GET', `/api/commands/${id}`)).body.state).toBe('running')
  await client.call('POST', client.thread('live', 'interrupt'))
})
