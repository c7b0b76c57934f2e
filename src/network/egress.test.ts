import { once } from 'node:events'
import { createServer, request, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLog } from '../observe/log.ts'
import { Egress, type EgressOptions } from './egress.ts'
import { parseEgressRules } from './egress-rules.ts'
import { machineProxy } from './machine-proxy.ts'
import { PrivateAddress, publicAddresses } from './public-address.ts'

const log = openLog('silent', (text) => text)
const portOf = (server: Server): number => (server.address() as AddressInfo).port
/** Every name leads to this machine, as no name may outside of these tests. */
const here = async (): Promise<readonly string[]> => ['127.0.0.1']

async function proxy(list: string, more: Partial<EgressOptions> = {}): Promise<Egress & { readonly port: number }> {
  const egress = new Egress({ rules: parseEgressRules(list), machine: machineProxy({}), log, addressesOf: here, ...more })
  await egress.start()
  return Object.assign(egress, { port: Number(URL.parse(egress.env['HTTP_PROXY'] ?? '')?.port) })
}

/** Sends these very bytes; answers all that comes until the end. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  socket.on('data', (chunk) => (said += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write(text)
  await new Promise((resolve) => socket.once('close', resolve))
  return said
}

const status = (answer: string): string => answer.slice(9, 12)

describe('the egress proxy', () => {
  let [web, tcp, seen] = [undefined as unknown as Server, undefined as unknown as Server, [] as IncomingMessage[]]
  beforeAll(async () => {
    web = createServer((message, response) => {
      seen.push(message)
      let body = ''
      message.on('data', (chunk) => (body += chunk))
      message.on('end', () => response.end(`got ${message.method} ${message.url} ${body}`))
    }).listen(0, '127.0.0.1')
    tcp = createTcpServer((socket: Socket) => socket.end('hello from behind')).listen(0, '127.0.0.1')
    await Promise.all([once(web, 'listening'), once(tcp, 'listening')])
  })
  afterAll(() => {
    web.close()
    tcp.close()
  })

  it('connects to a host of the list, and carries bytes both ways', async () => {
    await using egress = await proxy(`tunnel.example.com:${portOf(tcp)}`)
    const answer = await raw(egress.port, `CONNECT tunnel.example.com:${portOf(tcp)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 [^]*hello from behind$/)
  })

  it('passes plain requests on, without what is meant for a proxy, and under the host of the URL', async () => {
    await using egress = await proxy(`plain.example.com:${portOf(web)}`)
    const url = `http://plain.example.com:${portOf(web)}/a/b?c=d`
    const sent = request({
      host: '127.0.0.1',
      port: egress.port,
      method: 'POST',
      path: url,
      headers: { host: 'other.example.com', 'proxy-authorization': 'Basic eA==', connection: 'close, x-secret', 'x-secret': '1', 'x-kept': '2' },
    })
    sent.end('body')
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    expect(Buffer.concat(await answer.toArray()).toString()).toBe('got POST /a/b?c=d body')
    expect(seen.at(-1)?.headers).toMatchObject({ host: `plain.example.com:${portOf(web)}`, 'x-kept': '2' })
    expect(Object.keys(seen.at(-1)?.headers ?? {})).not.toContain('x-secret')
    expect(Object.keys(seen.at(-1)?.headers ?? {})).not.toContain('proxy-authorization')
  })

  it('says which host is not allowed, in words and in one line of the log', async () => {
    const lines: unknown[] = []
    await using egress = await proxy('example.com', { log: Object.assign(Object.create(log), { warn: (line: unknown) => lines.push(line) }) })
    for (let time = 0; time < 3; time += 1) {
      const answer = await raw(egress.port, 'CONNECT evil.example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n')
      expect(status(answer)).toBe('403')
      expect(answer).toContain('evil.example.org is not in EGRESS_ALLOW')
    }
    expect(lines).toEqual([{ event: 'egress.refused', host: 'evil.example.org', port: 443 }])
  })

  it.each([
    'CONNECT 127.0.0.1:80',
    'CONNECT [::1]:80',
    'CONNECT ::1:80',
    'CONNECT [::ffff:127.0.0.1]:80',
    'CONNECT 0x7f000001:80',
    'CONNECT 2130706433:80',
    'CONNECT 127.1:80',
    'CONNECT 169.254.169.254:80',
    'CONNECT localhost:80',
    'CONNECT user@example.com:443',
    'CONNECT user:word@example.com:443',
    'CONNECT example.com@evil.example.org:443',
    'CONNECT example.com:22',
    'CONNECT example.com:0',
    'CONNECT example.com:65979',
    'CONNECT example.com:99999999',
    'CONNECT example.com:-1',
    'CONNECT example.com:443x',
    'CONNECT example.com',
    'CONNECT :443',
    'CONNECT example.com%00.evil.example.org:443',
    'CONNECT evil.example.org/example.com:443',
    'CONNECT example.com.evil.example.org:443',
    'CONNECT /',
    'GET /',
    'GET //example.com/',
    'GET example.com',
    'GET file:///etc/passwd',
    'GET ftp://example.com/',
    'GET https://example.com/',
    'GET http:example.com',
    'GET http:/example.com/',
    'GET http://user:word@example.com/',
    'GET http://example.com@evil.example.org/',
    'GET http://evil.example.org\\@example.com/',
    'GET http://127.0.0.1/',
    'GET http://[::1]/',
    'GET http://0x7f000001/',
    'GET http://2130706433/',
    'GET http://169.254.169.254/latest/meta-data/',
    'GET http://example.com:22/',
    'GET http://example.com:99999/',
    'OPTIONS *',
  ])('refuses %s', async (line) => {
    await using egress = await proxy('example.com')
    // What is no HTTP at all is closed without an answer.
    expect(['', '400', '403']).toContain(status(await raw(egress.port, `${line} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n`)))
  })

  it.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '10.0.0.1', '192.168.1.1', '169.254.169.254', 'fe80::1', 'fd00::1', '64:ff9b::7f00:1'])(
    'refuses a host of the list that leads to %s',
    async (address) => {
      const addressesOf = async (host: string): Promise<readonly string[]> => [
        ...(await publicAddresses('8.8.8.8')),
        ...(await publicAddresses(address).catch(() => Promise.reject(new PrivateAddress(host)))),
      ]
      await using egress = await proxy('example.com', { addressesOf })
      for (const line of ['CONNECT example.com:443', 'GET http://example.com/']) {
        const answer = await raw(egress.port, `${line} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n`)
        expect(status(answer)).toBe('403')
        expect(answer).toContain('not public')
      }
    },
  )

  it('looks up names of the list only, and says when there is no such host', async () => {
    const asked: string[] = []
    const addressesOf = async (host: string): Promise<readonly string[]> => {
      asked.push(host)
      throw new Error('ENOTFOUND')
    }
    await using egress = await proxy('example.com', { addressesOf })
    await raw(egress.port, 'CONNECT secret-in-a-name.evil.example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(status(await raw(egress.port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'))).toBe('502')
    expect(asked).toEqual(['example.com'])
  })

  it('takes no endless headers', async () => {
    await using egress = await proxy('example.com')
    expect(await raw(egress.port, `CONNECT example.com:443 HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)).not.toContain('200')
  })

  it('goes on through the proxy of the machine, which it alone shows the password to', async () => {
    const asked: string[] = []
    const machine = createServer((message, response) => {
      asked.push(`${message.method} ${message.url} ${message.headers['proxy-authorization']}`)
      response.end('from the machine')
    }).on('connect', (message: IncomingMessage, socket: Socket) => {
      asked.push(`${message.method} ${message.url} ${message.headers['proxy-authorization']}`)
      socket.end('HTTP/1.1 200 OK\r\n\r\nbehind both')
    })
    machine.listen(0, '127.0.0.1')
    await once(machine, 'listening')
    const url = `http://name:word@127.0.0.1:${portOf(machine)}`
    await using egress = await proxy('example.com, direct.example.com', {
      machine: machineProxy({ HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: '.direct.example.com' }),
      addressesOf: async () => Promise.reject(new Error('is not asked')),
    })
    expect(await raw(egress.port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n')).toContain('behind both')
    expect(await raw(egress.port, 'GET http://example.com/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toContain('from the machine')
    expect(status(await raw(egress.port, 'CONNECT direct.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n'))).toBe('502')
    const shown = `Basic ${Buffer.from('name:word').toString('base64')}`
    expect(asked).toEqual([`CONNECT example.com:443 ${shown}`, `GET http://example.com/a ${shown}`])
    machine.close()
  })

  it('says so where the proxy of the machine refuses', async () => {
    const machine = createServer().on('connect', (_message, socket: Socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'))
    machine.listen(0, '127.0.0.1')
    await once(machine, 'listening')
    await using egress = await proxy('example.com', { machine: machineProxy({ HTTPS_PROXY: `http://127.0.0.1:${portOf(machine)}` }) })
    expect(await raw(egress.port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 502 [^]*407/)
    machine.close()
  })

  it('ends its connections with itself', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const egress = await proxy(`silent.example.com:${portOf(silent)}`)
    const socket = connect(egress.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`CONNECT silent.example.com:${portOf(silent)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(socket, 'data')
    const closed = once(socket, 'close')
    await egress[Symbol.asyncDispose]()
    await egress[Symbol.asyncDispose]()
    await closed
    silent.close()
  })
})
