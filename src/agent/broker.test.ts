import { createServer } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { someAccount } from '../../test/support/account.ts'
import { openLog } from '../observe/log.ts'
import { Broker, type Pass } from './broker.ts'

const seen: { url: string | undefined; key: unknown }[] = []
const model = createServer((request, response) => {
  seen.push({ url: request.url, key: request.headers['x-api-key'] })
  response.end('{}')
})
let [broker, pass]: [Broker, Pass] = [undefined!, undefined!]

beforeEach(async () => {
  seen.length = 0
  model.listen(0, '127.0.0.1')
  await once(model, 'listening')
  const address = model.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  broker = new Broker(
    { kind: 'anthropic', url: `http://127.0.0.1:${port}/gateway`, credential: { header: 'x-api-key', value: 'the-real-key' } },
    { log: openLog('silent', (text) => text), silenceMs: 60_000, networkEnv: {} },
  )
  await broker.start()
  pass = broker.pass()
})
afterEach(async () => {
  await broker[Symbol.asyncDispose]()
  model.close()
  model.closeAllConnections()
  await once(model, 'close')
})

/** Sends a request line as it stands, which `fetch` would not do. */
async function ask(line: string, token = pass.token): Promise<string> {
  const { hostname, port } = new URL(broker.url)
  const socket = connect(Number(port), hostname)
  socket.write(`${line} HTTP/1.1\r\nHost: x\r\nX-Api-Key: ${token}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer.split(' ')[1] ?? ''
}

it('puts the real key in the place of the token, while a run is open', async () => {
  expect(await ask('POST /v1/messages?beta=true')).toBe('403')
  pass.open(someAccount())
  expect(await ask('POST /v1/messages?beta=true')).toBe('200')
  pass.close()
  expect(await ask('POST /v1/messages')).toBe('403')
  expect(await ask('POST /v1/messages', 'another-token')).toBe('401')
  pass[Symbol.dispose]()
  expect(await ask('POST /v1/messages')).toBe('401')
  expect(seen).toEqual([{ url: '/gateway/v1/messages?beta=true', key: 'the-real-key' }])
})

it('sends nothing anywhere else, however the request is written, and goes on', async () => {
  pass.open(someAccount())
  for (const line of [
    'POST host://x/v1/messages',
    'POST http://x/v1/messages',
    'POST //x/v1/messages',
    'POST //x/../../v1/messages',
    'POST @x/v1/messages',
    'POST /v1/../v1/messages',
    'POST /v1/messages/../../admin',
    'POST /v1/models',
    'GET /v1/messages',
  ]) {
    expect(['400', '404'], line).toContain(await ask(line))
  }
  expect(seen).toEqual([])
  expect(await ask('POST /v1/messages')).toBe('200')
})
