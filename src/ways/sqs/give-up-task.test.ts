import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import { openLog } from '../../observe/log.ts'
import { giveUpTask } from './give-up-task.ts'

afterEach(() => vi.unstubAllEnvs())

/** ECS that answers each call as it is told, and the counts that it was asked for. */
async function ecs(...statuses: number[]) {
  const counts: number[] = []
  const server = createServer((request, answer) => {
    void request
      .setEncoding('utf8')
      .toArray()
      .then((chunks) => {
        counts.push(JSON.parse(chunks.join('')).desiredCount)
        const status = statuses.shift() ?? 200
        answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(status === 200 ? '{}' : '{"__type":"AccessDeniedException"}')
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  vi.stubEnv('AWS_ENDPOINT_URL_ECS', `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'x')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'y')
  return {
    counts,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
const SERVICE = { cluster: 'sites', service: 'acme', region: 'us-east-1' }
const log = openLog('silent', (text) => text)

it('where it cannot be said whether a message is there, a task is asked for again', async () => {
  using told = await ecs()
  await giveUpTask(SERVICE, () => Promise.reject(new Error('throttled')), log)
  expect(told.counts).toEqual([0, 1])
})

it('where a message is there, it asks for a task until that is taken', async () => {
  using told = await ecs(200, 400, 400)
  await giveUpTask(SERVICE, async () => true, log)
  expect(told.counts).toEqual([0, 1, 1, 1])
})

it('where ECS does not take it, nothing else is asked for', async () => {
  using told = await ecs(400)
  await giveUpTask(SERVICE, async () => true, log)
  expect(told.counts).toEqual([0])
})
