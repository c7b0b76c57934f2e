import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { pino } from 'pino'
import { afterEach, expect, it } from 'vitest'
import { Gateway, type Target } from './gateway.ts'

let over: (() => Promise<unknown>)[] = []
let asker: number | undefined
afterEach(async () => {
  for (const end of over.toReversed()) await end()
  over = []
  asker = undefined
})

async function site(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A gateway before one preview, `thread-a`. */
async function gateway(port: () => number | undefined, socketsOnly = false): Promise<number> {
  let failed = false
  const target: Target = {
    label: 'thread-a',
    workTree: '/work',
    caches: [],
    users: new Set([7]),
    viteOnly: () => false,
    port,
    shown: () => ({ label: 'thread-a', state: 'starting', output: '<script>alert(1)</script>' }),
    wake: () => {},
    used: () => {},
    opened: () => ({ [Symbol.dispose]: () => {} }),
    pageFailed: () => (failed = true),
    owed: () => (failed ? '{"type":"error"}xx' : undefined),
  }
  const made = new Gateway({
    hosts: { domain: undefined, names: [] },
    log: pino({ level: 'silent' }),
    access: undefined,
    askerOf: async () => asker,
    find: async (label) => (label === 'thread-a' ? target : undefined),
    consoles: () => [],
  })
  over.push(() => made[Symbol.asyncDispose]())
  return made.listen('127.0.0.1', 0, socketsOnly)
}

async function ask(port: number, headers: Readonly<Record<string, string>> = {}): Promise<{ readonly answer: IncomingMessage; readonly text: string }> {
  const asked = request({ host: '127.0.0.1', port, path: '/', headers: { host: `thread-a.localhost:${port}`, ...headers }, agent: false })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of answer) text += String(chunk)
  return { answer, text }
}

it('says itself where a request comes from, and passes on nothing that is of one connection alone', async () => {
  let seen: IncomingMessage['headers'] = {}
  const port = await site((incoming, outgoing) => {
    seen = incoming.headers
    outgoing.setHeader('set-cookie', ['a=1; Domain=localhost; Path=/', 'b=2; domain=.example.com'])
    outgoing.setHeader('strict-transport-security', 'max-age=1; includeSubDomains')
    outgoing.end('page')
  })
  const at = await gateway(() => port)
  const { answer, text } = await ask(at, { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', 'x-forwarded-host': 'evil', te: 'trailers', cookie: 'c=3' })
  expect(text).toBe('page')
  expect(seen).toMatchObject({
    host: `thread-a.localhost:${at}`,
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': `thread-a.localhost:${at}`,
    cookie: 'c=3',
  })
  expect(seen['forwarded']).toBeUndefined()
  expect(seen['te']).toBeUndefined()
  expect(answer.headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2'])
  expect(answer.headers['strict-transport-security']).toBeUndefined()
})

it('does not fail a page on a connection that its server has closed meanwhile', async () => {
  const port = await site((incoming, outgoing) => {
    outgoing.setHeader('connection', 'keep-alive')
    outgoing.end('page')
    setTimeout(() => incoming.socket.destroy(), 5)
  })
  const at = await gateway(() => port)
  for (let n = 0; n < 20; n += 1) {
    expect((await ask(at)).answer.statusCode).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
})

it('has a page for a preview that is starting, in which its output is text', async () => {
  const at = await gateway(() => undefined)
  const { answer, text } = await ask(at, { accept: 'text/html' })
  expect(answer.statusCode).toBe(503)
  expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  expect(answer.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'/)
  expect((await ask(at)).text).toBe('The preview is starting.\n')
})

it('has a page for a name that no thread has', async () => {
  const at = await gateway(() => undefined)
  const { answer, text } = await ask(at, { accept: 'text/html', host: 'thread-nobody.localhost' })
  expect(answer.statusCode).toBe(404)
  expect(text).toContain('No thread is called thread-nobody.')
})

it('tells a page that was answered by an error what is wrong, behind the answer to its handshake', async () => {
  const server = createServer((_, outgoing) => void outgoing.writeHead(500).end('broken')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => void server.close())
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {})
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n${'\u0081\u0002ok'}`, 'latin1')
  })
  const address = server.address()
  const at = await gateway(() => (typeof address === 'object' && address !== null ? address.port : 0))
  await ask(at, { accept: 'text/html' })
  const client = connect(at, '127.0.0.1')
  let heard = ''
  client.on('data', (data: Buffer) => (heard += data.toString('latin1')))
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: vite-hmr'
  client.write(`GET / HTTP/1.1\r\nhost: thread-a.localhost:${at}\r\norigin: http://thread-a.localhost:${at}\r\n${upgrade}\r\n\r\n`)
  while (!heard.endsWith('ok')) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(heard.split('\r\n\r\n')[1]).toBe(`\u0081\u0012{"type":"error"}${'x'.repeat(2)}\u0081\u0002ok`)
  client.destroy()
})

it.each(['099 X', '000 X', '101 X', '999 X'])('answers 502 or 503, and lives on, where a site answers %s', async (status) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(`HTTP/1.1 ${status}\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 0\r\n\r\n`))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => void server.close())
  const address = server.address()
  const at = await gateway(() => (typeof address === 'object' && address !== null ? address.port : 0))
  expect([502, 503]).toContain((await ask(at)).answer.statusCode)
  expect([502, 503]).toContain((await ask(at)).answer.statusCode)
})

it('is no tunnel: what does not open a socket gets nothing more of a connection that asked for one', async () => {
  const urls: (string | undefined)[] = []
  const port = await site(({ url }, outgoing) => {
    urls.push(url)
    outgoing.end('page')
  })
  const at = await gateway(() => port)
  const head = `host: thread-a.localhost:${at}\r\norigin: http://thread-a.localhost:${at}`
  const client = connect(at, '127.0.0.1')
  let heard = ''
  client.on('data', (data: Buffer) => (heard += data.toString()))
  const closed = once(client, 'close')
  client.write(`GET / HTTP/1.1\r\n${head}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n`)
  while (heard === '') await new Promise((resolve) => setTimeout(resolve, 5))
  client.write(`GET /.env HTTP/1.1\r\nhost: evil.example\r\n\r\n`)
  await closed
  expect(heard).toMatch(/^HTTP\/1\.1 502 /)
  expect(urls).not.toContain('/.env')
})

it('has a second door for sockets alone, for pages that ask for theirs at a port of its own', async () => {
  const server = createServer((_, outgoing) => void outgoing.end('page')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => void server.close())
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
  })
  const address = server.address()
  const at = await gateway(() => (typeof address === 'object' && address !== null ? address.port : 0), true)
  expect((await ask(at, { accept: 'text/html' })).answer.statusCode).toBe(426)
  const client = connect(at, '127.0.0.1')
  const origin = `http://thread-a.localhost:${at}`
  client.write(
    `GET / HTTP/1.1\r\nhost: thread-a.localhost:${at}\r\norigin: ${origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n`,
  )
  const [heard] = (await once(client, 'data')) as [Buffer]
  expect(heard.toString()).toMatch(/^HTTP\/1\.1 101 /)
  client.destroy()
})

it('shows agents of this machine the preview of their own thread alone', async () => {
  const port = await site((_, outgoing) => void outgoing.end('page'))
  const at = await gateway(() => port)
  asker = 8
  expect((await ask(at)).answer.statusCode).toBe(403)
  asker = 7
  expect((await ask(at)).answer.statusCode).toBe(200)
})

it('passes sockets on in both directions, and ends both sides when one ends', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  over.push(async () => void server.close())
  const ended = Promise.withResolvers<void>()
  server.on('upgrade', (incoming, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhost ${incoming.headers.host} `)
    socket.on('data', (data: Buffer) => socket.write(`heard ${data.toString()}`))
    for (const event of ['end', 'close']) socket.once(event, () => ended.resolve())
    socket.on('error', () => {})
  })
  const address = server.address()
  const at = await gateway(() => (typeof address === 'object' && address !== null ? address.port : 0))
  const client = connect(at, '127.0.0.1')
  let heard = ''
  client.on('data', (data: Buffer) => (heard += data.toString()))
  const origin = `http://thread-a.localhost:${at}`
  client.write(
    `GET / HTTP/1.1\r\nhost: thread-a.localhost:${at}\r\norigin: ${origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n`,
  )
  while (!heard.includes('host ')) await new Promise((resolve) => setTimeout(resolve, 5))
  client.write('hello')
  while (!heard.includes('heard hello')) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(heard).toContain(`host thread-a.localhost:${at}`)
  client.destroy()
  await ended.promise
})
