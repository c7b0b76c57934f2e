import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type RequestListener } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pino } from 'pino'
import { afterEach, expect, it } from 'vitest'
import { Gateway, type Target } from './gateway.ts'

const CONSOLES = ['http://localhost:8080', 'https://branchline.example.com']
let over: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of over.toReversed()) await end()
  over = []
})

/** A gateway before a site that answers so; its port. */
async function gateway(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  const target: Target = {
    label: 'thread-a',
    workTree: '/work',
    caches: [],
    users: new Set(),
    viteOnly: () => false,
    port: () => (typeof address === 'object' && address !== null ? address.port : 0),
    shown: () => ({ label: 'thread-a', state: 'starting', output: '' }),
    wake: () => {},
    used: () => {},
    opened: () => ({ [Symbol.dispose]: () => {} }),
    pageFailed: () => {},
    owed: () => undefined,
  }
  const made = new Gateway({
    hosts: { domain: undefined, names: [] },
    log: pino({ level: 'silent' }),
    access: undefined,
    askerOf: async () => undefined,
    find: async () => target,
    consoles: () => CONSOLES,
  })
  over.push(() => made[Symbol.asyncDispose]())
  return made.listen('127.0.0.1', 0)
}

async function ask(port: number, headers: Readonly<Record<string, string>>, path = '/'): Promise<IncomingMessage> {
  const asked = request({ host: '127.0.0.1', port, path, headers: { host: 'thread-a.localhost', ...headers }, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return answer
}
const textOf = async (answer: IncomingMessage): Promise<string> => (await buffer(answer)).toString()

/** More than sockets and streams on the way hold. */
const LENGTH = 12_000_000
const HTML = { 'content-type': 'text/html; charset=utf-8' }
const IN_FRAME = { 'sec-fetch-dest': 'iframe', accept: 'text/html' }
const TAG = `<script src="/__branchline/in-page.js" data-consoles="${CONSOLES.join(' ')}" data-root="/work"></script>`

it('puts its script into a page that is shown in a frame, asks for it whole, and says nothing of bytes that it has changed', async () => {
  let seen: IncomingMessage['headers'] = {}
  const page = '<!doctype html><html><head><title>Bread</title></head></html>'
  const at = await gateway((incoming, outgoing) => {
    seen = incoming.headers
    outgoing.writeHead(200, { ...HTML, 'content-length': page.length, etag: '"1"', 'x-of-site': 'yes' }).end(page)
  })
  const known = { 'accept-encoding': 'gzip', 'if-none-match': '"1"', 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' }
  const answer = await ask(at, { ...IN_FRAME, ...known })
  expect(await textOf(answer)).toBe(`<!doctype html><html><head>${TAG}<title>Bread</title></head></html>`)
  expect(seen['accept-encoding']).toBe('identity')
  expect(Object.keys(seen).filter((name) => name.startsWith('if-'))).toEqual([])
  expect(answer.headers['x-of-site']).toBe('yes')
  expect(answer.headers.etag).toBeUndefined()
  expect(answer.headers['content-length']).toBeUndefined()
  // Elsewhere nothing is changed.
  for (const headers of [{ 'sec-fetch-dest': 'document', accept: 'text/html' }, { accept: 'text/html' }, { 'sec-fetch-dest': 'empty' }]) {
    const plain = await ask(at, { ...headers, ...known })
    expect(await textOf(plain)).toBe(page)
    expect(plain.headers.etag).toBe('"1"')
    expect(seen).toMatchObject(known)
  }
})

it.each([
  ['that is no page', { 'content-type': 'application/json' }, '<head>'],
  ['that says not what it is', {}, '<head>'],
  ['that only looks like a page', { 'content-type': 'text/html-not' }, '<head>'],
  ['that is packed all the same', { ...HTML, 'content-encoding': 'gzip' }, gzipSync('<head>')],
  ['without a head', HTML, '<p>no head</p>'],
])('passes an answer on as it is, in a frame too, %s', async (_, headers, body) => {
  const at = await gateway((__, outgoing) => void outgoing.writeHead(200, { ...headers }).end(body))
  expect(await buffer(await ask(at, IN_FRAME))).toEqual(Buffer.from(body))
})

it.each([
  ['in a frame', IN_FRAME],
  ['in a tab', { accept: 'text/html' }],
])('passes a long page on as it comes, and whole to whoever reads it slowly, %s', async (_, headers) => {
  const goOn = Promise.withResolvers<void>()
  const at = await gateway((__, outgoing) => {
    outgoing.writeHead(200, HTML).write('<head><title>first</title>')
    void goOn.promise.then(() => outgoing.end('x'.repeat(LENGTH)))
  })
  const answer = await ask(at, headers)
  const [first] = (await once(answer, 'data')) as [Buffer]
  expect(first.toString()).toMatch(/<title>first<\/title>$/)
  goOn.resolve()
  let length = 0
  for await (const chunk of answer) {
    length += (chunk as Buffer).length
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(length).toBe(LENGTH)
})

it('ends a page in a frame where its server ends in the middle of it', async () => {
  const at = await gateway((_, outgoing) => {
    outgoing.writeHead(200, { ...HTML, 'content-length': 1000 }).write('<head><title>first</title>')
    setTimeout(() => outgoing.destroy(), 20)
  })
  await expect(ask(at, IN_FRAME).then(textOf)).rejects.toThrow('aborted')
})

it('has the script that speaks with the console', async () => {
  const at = await gateway((_, outgoing) => void outgoing.writeHead(404).end())
  const answer = await ask(at, {}, '/__branchline/in-page.js')
  expect(answer.statusCode).toBe(200)
  expect(answer.headers).toMatchObject({ 'content-type': 'text/javascript; charset=utf-8', 'x-content-type-options': 'nosniff' })
  expect(await textOf(answer)).toContain('data-astro-source-file')
})
