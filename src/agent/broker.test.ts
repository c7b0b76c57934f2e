import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { someAccount } from '../../test/support/account.ts'
import { openLog } from '../observe/log.ts'
import { Broker, type Pass } from './broker.ts'

const seen: { url: string | undefined; key: unknown }[] = []
/** What the model does; by default it answers with an empty object. */
let behave = (_request: IncomingMessage, response: ServerResponse): void => void response.end('{}')
const model = createServer((request, response) => {
  seen.push({ url: request.url, key: request.headers['x-api-key'] })
  behave(request, response)
})
let [broker, pass]: [Broker, Pass] = [undefined!, undefined!]
const SILENCE_MS = 300

beforeEach(async () => {
  seen.length = 0
  behave = (_request, response) => void response.end('{}')
  model.listen(0, '127.0.0.1')
  await once(model, 'listening')
  const address = model.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  broker = new Broker(
    { kind: 'anthropic', url: `http://127.0.0.1:${port}/gateway`, credential: { header: 'x-api-key', value: 'the-real-key' } },
    { log: openLog('silent', (text) => text), silenceMs: SILENCE_MS, networkEnv: {} },
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

/** A request as Claude Code sends one. */
const post = (body: object): Promise<Response> =>
  fetch(`${broker.url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': pass.token, 'content-type': 'application/json' }, body: JSON.stringify(body) })

const event = (data: object): string => `event: x\ndata: ${JSON.stringify(data)}\n\n`
const started = event({ type: 'message_start', message: { model: 'claude-opus-4-5', usage: { input_tokens: 1000, output_tokens: 1 } } })
const written = (text: string): string => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
const stream = { 'content-type': 'text/event-stream' }

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

it('counts an answer once, however it is cut into pieces, and hands it on as it is', async () => {
  const whole = started + written('hello') + event({ type: 'message_delta', usage: { output_tokens: 7 } }) + event({ type: 'message_stop' })
  behave = (_request, response) => {
    response.writeHead(200, stream)
    for (const piece of whole) response.write(piece)
    response.end()
  }
  const account = someAccount()
  pass.open(account)
  expect(await (await post({ stream: true })).text()).toBe(whole)
  await account.settled()
  expect(account.uses.map(({ tokens }) => [tokens.input, tokens.output])).toEqual([[1000, 7]])
})

it('cuts an answer off in the middle when the budget is spent, and asks the model nothing more', async () => {
  const closed = Promise.withResolvers<void>()
  behave = (_request, response) => {
    response.writeHead(200, stream)
    response.write(started)
    const timer = setInterval(() => response.write(written('x'.repeat(40_000))), 5)
    response.on('close', () => {
      clearInterval(timer)
      closed.resolve()
    })
  }
  const account = someAccount({ budgets: { command: 1, thread: undefined, day: undefined } })
  pass.open(account)
  await expect((await post({ stream: true })).text()).rejects.toThrow('terminated')
  await closed.promise
  await account.settled()
  const spent = account.uses.reduce((sum, { costUsd }) => sum + costUsd, 0)
  expect(spent).toBeGreaterThanOrEqual(1)
  expect(spent).toBeLessThan(1.5)
  expect((await post({ stream: true })).status).toBe(403)
  expect(seen).toHaveLength(1)
})

it('counts an answer that was there as a whole when it was cut off', async () => {
  behave = (_request, response) => {
    response.writeHead(200, stream)
    response.end(started + written('x') + event({ type: 'message_delta', usage: { output_tokens: 7 } }) + event({ type: 'message_stop' }))
  }
  const account = someAccount({ budgets: { command: 0.001, thread: undefined, day: undefined } })
  pass.open(account)
  await post({ stream: true })
    .then((answer) => answer.text())
    .catch(() => {}) // how much of it arrives is left to chance
  await expect.poll(() => account.uses.map(({ tokens }) => tokens.input)).toEqual([1000])
})

it('counts what an answer used whose agent hangs up', async () => {
  behave = (_request, response) => void response.writeHead(200, stream).write(started + written('x'.repeat(400)))
  const account = someAccount()
  pass.open(account)
  const answer = await post({ stream: true })
  const reader = answer.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await expect.poll(() => account.uses.map(({ tokens }) => tokens.input)).toEqual([1000])
})

describe('a model that goes silent', () => {
  it('before it answers is given up, so that it is asked again', async () => {
    behave = () => {}
    pass.open(someAccount())
    expect((await post({ messages: ['x'.repeat(100_000)], stream: true })).status).toBe(504)
  })
  it('in the middle of a stream is cut off', async () => {
    behave = (_request, response) => void response.writeHead(200, stream).write(started)
    pass.open(someAccount())
    await expect((await post({ stream: true })).text()).rejects.toThrow('terminated')
  })
  it('is waited for where no stream was asked for, whatever a message says', async () => {
    behave = (_request, response) => void setTimeout(() => response.end('{}'), 3 * SILENCE_MS)
    pass.open(someAccount())
    expect(await (await post({ messages: ['"stream": true, \\"stream": true'] })).text()).toBe('{}')
  })
})

it.each([
  [429, { 'retry-after': '30' }, 30],
  [529, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }, 60],
  [429, { 'anthropic-ratelimit-unified-reset': String(Math.round(Date.now() / 1000) + 18_000) }, 18_000],
])('%s with %o limits the account for %s s', async (status, headers, seconds) => {
  behave = (_request, response) => void response.writeHead(status, headers).end('{}')
  const account = someAccount()
  pass.open(account)
  expect((await post({})).status).toBe(status)
  expect(Math.abs(account.limitedUntil - Date.now() - seconds * 1000)).toBeLessThan(15_000)
})

it.each([
  [429, { 'retry-after': 'soon' }],
  [500, { 'retry-after': '30' }],
])('%s with %o says nothing of when to come back', async (status, headers) => {
  behave = (_request, response) => void response.writeHead(status, headers).end('{}')
  const account = someAccount()
  pass.open(account)
  expect((await post({})).status).toBe(status)
  expect(account.limitedUntil).toBe(0)
})

it('hands an answer on only when the run is ready for it', async () => {
  const ready = Promise.withResolvers<void>()
  const account = someAccount()
  pass.open(account, ready.promise)
  let answered = false
  const answer = post({}).then((response) => {
    answered = true
    return response.text()
  })
  await expect.poll(() => seen.length).toBe(1)
  expect(answered).toBe(false)
  ready.resolve()
  expect(await answer).toBe('{}')
})

it('counts an answer that is cut off behind any of its events, and has it asked for again', async () => {
  const events = [
    started,
    written('hello'),
    written(' and more'),
    event({ type: 'message_delta', usage: { output_tokens: 7 } }),
    event({ type: 'message_stop' }),
  ]
  for (let sent = 0; sent < events.length; sent += 1) {
    behave = (_request, response) => {
      response.writeHead(200, stream)
      response.write(events.slice(0, sent).join(''), () => response.destroy())
    }
    const account = someAccount()
    pass.open(account)
    await expect(post({ stream: true }).then((answer) => answer.text())).rejects.toThrow(/terminated|fetch failed/)
    pass.close()
    await account.settled()
    expect(account.uses).toHaveLength(1)
    expect(account.uses[0]?.tokens.input).toBe(sent === 0 ? Math.ceil('{"stream":true}'.length / 4) : 1000)
  }
})

it('asks for no more than a few things at once, and bounds what they may cost together', async () => {
  behave = () => {}
  const account = someAccount({ budgets: { command: 0.5, thread: undefined, day: undefined } })
  pass.open(account)
  const open = Array.from({ length: 20 }, () =>
    post({ stream: false, text: 'x'.repeat(20_000) }).then(
      ({ status }) => status,
      () => 0,
    ),
  )
  await expect.poll(() => seen.length).toBeGreaterThan(0)
  const refused = (await Promise.all(open.map((each) => Promise.race([each, new Promise<number>((resolve) => setTimeout(() => resolve(-1), 500))])))).filter(
    (status) => status === 429,
  )
  expect(seen.length).toBeLessThanOrEqual(8)
  expect(refused.length).toBe(20 - seen.length)
  pass.close()
  await Promise.all(open)
  await account.settled()
  expect(account.uses).toHaveLength(seen.length) // given up, each counts as what was sent
})
