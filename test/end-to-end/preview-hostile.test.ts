import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { ask, previewUrl, showing, shown } from '../support/previews.ts'
import { makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

/** A site whose server does what its files say: all that a page can do to who shows it. */
const SERVER = `
import { createServer } from 'node:http'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
const does = () => (existsSync('does.txt') ? readFileSync('does.txt', 'utf8').trim() : '')
const sockets = new Set()
const server = createServer((request, answer) => {
  const what = does()
  if (what.startsWith('print ')) setTimeout(() => console.log(what.slice(6)), 1)
  if (what === 'hang' && request.url !== '/alive') return
  answer.end('page of ' + request.headers.host)
})
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.on('error', () => {})
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\nsec-websocket-protocol: vite-hmr\\r\\nsec-websocket-accept: ' + accept + '\\r\\n\\r\\n')
  sockets.add(socket)
  say(socket, JSON.stringify({ type: 'error', err: { message: { toString: null, valueOf: null } } }))
  say(socket, JSON.stringify({ type: 'error', err: { message: '(The stacktrace appears to be already rewritten'.repeat(4000) } }))
  say(socket, '[]')
  say(socket, 'null')
})
function say(socket, text) {
  const payload = Buffer.from(text)
  const head = payload.length < 126 ? [0x81, payload.length] : payload.length < 65536 ? [0x81, 126, payload.length >> 8, payload.length & 255] : [0x81, 127, 0, 0, 0, 0, ...new Uint8Array(new Uint32Array([payload.length]).buffer).reverse()]
  socket.write(Buffer.concat([Buffer.from(head), payload]))
}
server.listen(process.env.PORT, '127.0.0.1')
if (does() === 'flood') {
  let n = 0
  const more = () => {
    for (let line = 0; line < 200; line += 1) console.log(JSON.stringify({ message: (n % 2 ? 'Failed to load q' + (n >> 4) + ': y' : 'Reloaded data from q' + (n >> 4)), level: n % 2 ? 'error' : 'info' })), (n += 1)
    setTimeout(more, 1)
  }
  more()
}
`

let service: Service
let client: Client
beforeAll(async () => {
  const folder = await temporaryFolder()
  const files = { 'package.json': '{"type":"module","scripts":{"dev":"node server.mjs"}}', 'server.mjs': SERVER, 'does.txt': '' }
  service = await startService({ env: { ...showing, REPO_URL: await makeRepository(join(folder, 'origin'), files) } })
  client = clientOf(service)
})
afterAll(async () => service?.[Symbol.asyncDispose]())

const url = (thread: string): string => previewUrl(service, `thread-${thread}`)
const healthy = async (): Promise<void> => expect((await client.call('GET', '/health')).status).toBe(200)

it('messages on its socket that are none, or that are made to take long, do nothing to the service', async () => {
  expect(await shown(client, 'says')).toMatchObject({ success: true })
  expect((await client.run('says', 'write a.txt: a')).success).toBe(true)
  await healthy()
})

it('a server that names another port once it is looked at leads to no other program', async () => {
  await client.run('names', `write does.txt: print http://127.0.0.1:${new URL(service.url).port}/`)
  await shown(client, 'names')
  for (let n = 0; n < 20; n += 1) {
    const { port } = new URL(url('names'))
    const text = await (await ask(`http://127.0.0.1:${port}/openapi.json`)).text()
    expect(text).not.toContain('openapi')
  }
})

it('output without end holds up no message of another thread', async () => {
  await client.run('floods', 'write does.txt: flood')
  await client.call('POST', client.thread('floods', 'preview/restart'), {})
  expect((await client.run('calm', 'write a.txt: a')).success).toBe(true)
  await healthy()
  await client.call('POST', client.thread('floods', 'preview/stop'), {})
})

it('pages that never come hold up an edit for seconds, and its interruption not at all', async () => {
  expect(await shown(client, 'hangs')).toMatchObject({ success: true })
  for (const page of ['a', 'b', 'c', 'd', 'e']) await ask(`${url('hangs')}${page}`, { accept: 'text/html' })
  const slow = await client.post('hangs', 'write does.txt: hang')
  await client.event('hangs', (event) => event.type === 'tool.ended')
  const next = await client.run('hangs', 'write does.txt: nothing')
  expect(next.success).toBe(true)
  expect((await client.result(slow)).filesChanged).toContain('does.txt')
})

it.skipIf(process.getuid?.() !== 0)(
  `an agent sees its own thread's preview and no other's${process.getuid?.() === 0 ? '' : ' (skipped: not root)'}`,
  async () => {
    expect(await shown(client, 'says')).toMatchObject({ success: true })
    const { port } = new URL(url('says'))
    const seen = async (by: string): Promise<string> =>
      (await client.run(by, `run curl -s -H 'Host: thread-says.localhost:${port}' http://127.0.0.1:${port}/ ; echo done`)).summary
    expect(await seen('says')).toContain('page of thread-says.localhost')
    const other = await seen('calm')
    expect(other).toContain('Agents see the preview of their own thread alone.')
    expect(other).not.toContain('page of')
  },
)
