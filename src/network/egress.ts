import { once } from 'node:events'
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, isIPv6, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../observe/log.ts'
import { messageOf, printable } from '../observe/text.ts'
import { hostName, ruleFor, type EgressRule } from './egress-rules.ts'
import { proxyAuthorization, proxyFor, type MachineProxy } from './machine-proxy.ts'
import { isOwn, PrivateAddress, publicAddresses, routableAddresses } from './public-address.ts'

export interface EgressOptions {
  readonly rules: readonly EgressRule[]
  readonly machine: MachineProxy
  readonly log: Log
  /** The addresses of a host, if they may be connected to; `inside` where they may be private. @throws PrivateAddress */
  readonly addressesOf?: (host: string, inside: boolean) => Promise<readonly string[]>
}

/** What is not passed on; why is for whoever asked. */
class Refused extends Error {
  readonly status: 400 | 403 | 502
  constructor(status: 400 | 403 | 502, why: string) {
    super(why)
    this.name = 'Refused'
    this.status = status
  }
}

interface Target {
  readonly host: string
  readonly port: number
  readonly inside: boolean
}

const MAX_HEADER_BYTES = 16 * 1024
const MAX_CONNECTIONS = 1024
const CONNECT_MS = 20_000
/** A connection on which nothing is said for this long is closed. */
const IDLE_MS = 10 * 60_000
/** Refusals of so many hosts are logged, each once. */
const HOSTS_TOLD = 1000
/** Headers that are between two neighbours (RFC 9110, 7.6.1) or for the proxy. */
const OWN_HEADERS = ['connection', 'proxy-connection', 'proxy-authorization', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'host']

/**
 * A proxy on loopback for agents, installs and builds. It connects to hosts of a list only, and of those only to public addresses
 * (to private ones of hosts that the operator's machine names): it looks the name up itself and connects to what it has checked. A proxy of the machine, where there is one, looks up for itself.
 */
export class Egress implements AsyncDisposable {
  readonly #options: EgressOptions
  readonly #server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: CONNECT_MS }, (request, response) => void this.#forward(request, response))
  readonly #tunnels = new Set<Duplex>()
  readonly #told = new Set<string>()

  constructor(options: EgressOptions) {
    this.#options = options
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#tunnel(request, socket, head))
    this.#server.on('clientError', (_error, socket) => socket.destroy())
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** What leads programs here, and only past here to loopback. */
  get env(): Readonly<Record<string, string>> {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the egress proxy has not been started')
    const [url, none] = [`http://127.0.0.1:${address.port}`, '127.0.0.1,localhost,::1']
    // Node's own fetch heeds them only where it is told to.
    return { HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url, NO_PROXY: none, no_proxy: none, NODE_USE_ENV_PROXY: '1' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    for (const socket of this.#tunnels) socket.destroy()
    await once(this.#server, 'close')
  }

  /** `CONNECT host:port`: bytes both ways, whatever they are. */
  async #tunnel(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#hold(socket)
    try {
      const [, name = '', port = ''] = /^([^:]*):(\d{1,5})$/.exec(request.url ?? '') ?? []
      const target = this.#checked(name, Number(port), request.url ?? '')
      const proxy = proxyFor(this.#options.machine, 'https', target.host)
      const onward = proxy === undefined ? await this.#connected(target) : await throughProxy(proxy, target)
      this.#hold(onward)
      if (socket.destroyed) return void onward.destroy()
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) onward.write(head)
      socket.pipe(onward).pipe(socket)
      socket.once('close', () => onward.destroy())
      onward.once('close', () => socket.destroy())
    } catch (error) {
      const { status, text } = answerTo(error)
      socket.end(
        `HTTP/1.1 ${status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
      )
    }
  }

  /** A plain request that names its whole URL. */
  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = URL.parse(request.url ?? '')
      if (url?.protocol !== 'http:' || !/^http:\/\//i.test(request.url ?? '') || url.username !== '' || url.password !== '')
        throw new Refused(400, 'This proxy takes CONNECT, and requests for http:// URLs without a user name.')
      const target = this.#checked(url.hostname, url.port === '' ? 80 : Number(url.port), url.hostname)
      const named = (request.headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
      const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !OWN_HEADERS.includes(name) && !named.includes(name)))
      const onward = await this.#request(url, target, { method: request.method, headers: { ...headers, host: url.host } })
      if (response.destroyed) return void onward.destroy()
      onward.setTimeout(IDLE_MS, () => onward.destroy())
      onward.on('response', (answer) => {
        answer.on('error', () => response.destroy())
        try {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        } catch {
          onward.destroy() // what it answered is no HTTP that could be handed on
          response.destroy()
        }
      })
      onward.on('error', (error) => (response.headersSent ? response.destroy() : refuse(response, new Refused(502, messageOf(error)))))
      response.on('close', () => onward.destroy())
      request.pipe(onward)
    } catch (error) {
      request.resume()
      refuse(response, error)
    }
  }

  async #request(url: URL, target: Target, options: { readonly method: string | undefined; readonly headers: OutgoingHttpHeaders }): Promise<ClientRequest> {
    const proxy = proxyFor(this.#options.machine, 'http', target.host)
    if (proxy === undefined) {
      const lookup = lookupOf(await this.#addresses(target))
      return httpRequest({ ...options, agent: false, host: target.host, port: target.port, path: `${url.pathname}${url.search}`, lookup })
    }
    const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest
    return send(proxy, { ...options, agent: false, path: url.href, headers: { ...options.headers, ...proxyAuthorization(proxy) } })
  }

  /** @throws Refused; it is logged */
  #checked(name: string, port: number, shown: string): Target {
    const host = hostName(name)
    const rule = host === undefined ? undefined : ruleFor(this.#options.rules, host, port)
    if (host !== undefined && rule !== undefined) return { host, port, inside: rule.inside }
    const text = printable(host ?? shown, 100)
    this.#tell(text, port)
    if (host === undefined) throw new Refused(403, `${text} is not a host name, and only those in EGRESS_ALLOW can be reached from here.`)
    throw new Refused(403, `${text} is not in EGRESS_ALLOW for port ${port}; it cannot be reached from here.`)
  }

  /** @throws Refused where a host leads into a private network, or is not known */
  async #addresses({ host, inside }: Target): Promise<readonly string[]> {
    try {
      const addresses = await (this.#options.addressesOf ?? reachableAddresses)(host, inside)
      if (addresses.length > 0) return addresses
    } catch (error) {
      if (!(error instanceof PrivateAddress)) throw new Refused(502, `${host} could not be looked up.`)
      this.#tell(host, undefined)
      throw new Refused(403, `${host} leads to an address that is not public; it cannot be reached from here.`)
    }
    throw new Refused(502, `${host} has no address.`)
  }

  async #connected(target: Target): Promise<Socket> {
    const lookup = lookupOf(await this.#addresses(target))
    const socket = connect({ host: target.host, port: target.port, lookup })
    return established(socket, once(socket, 'connect'))
  }

  #hold(socket: Duplex): void {
    this.#tunnels.add(socket)
    socket.on('error', () => {}) // `close` follows
    socket.once('close', () => this.#tunnels.delete(socket))
    if ('setTimeout' in socket && typeof socket.setTimeout === 'function') socket.setTimeout(IDLE_MS, () => socket.destroy())
  }

  #tell(host: string, port: number | undefined): void {
    if (this.#told.has(host) || this.#told.size >= HOSTS_TOLD) return
    this.#told.add(host)
    this.#options.log.warn({ event: 'egress.refused', host, ...(port === undefined ? { why: 'not a public address' } : { port }) })
  }
}

/** A host may be public, or the operator's own, and yet be this very machine. */
async function reachableAddresses(host: string, inside: boolean): Promise<readonly string[]> {
  const addresses = inside ? await routableAddresses(host) : await publicAddresses(host)
  if (addresses.some((address) => isOwn(address))) throw new PrivateAddress(host)
  return addresses
}

/** Answers with addresses that are known, so that what is connected to is what was checked. */
const lookupOf =
  (addresses: readonly string[]): LookupFunction =>
  (_host, { all }, done) => {
    const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
    if (all === true) done(null, found)
    else done(null, found[0]?.address ?? '', found[0]?.family)
  }

async function throughProxy(proxy: URL, { host, port }: Target): Promise<Socket> {
  const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const path = `${host}:${port}`
  const request = send({
    host: proxy.hostname.replaceAll(/[[\]]/g, ''),
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : Number(proxy.port),
    method: 'CONNECT',
    path,
    agent: false,
    headers: { host: path, ...proxyAuthorization(proxy) },
  })
  request.end()
  const answered = new Promise<Socket>((resolve, reject) => {
    request.once('error', reject)
    request.once('connect', (answer: IncomingMessage, socket: Socket, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      if (answer.statusCode === 200) return resolve(socket)
      socket.destroy()
      reject(new Error(`the proxy of this machine answered ${answer.statusCode}`))
    })
    request.once('response', (answer) => reject(new Error(`the proxy of this machine answered ${answer.statusCode}`)))
  })
  return established(request, answered).then(() => answered)
}

/** Waits for a connection, and for no longer than it may take. */
async function established<Value extends { destroy(error?: Error): unknown }>(connecting: Value, done: Promise<unknown>): Promise<Value> {
  const timer = setTimeout(() => connecting.destroy(new Error('it did not answer in time')), CONNECT_MS)
  try {
    await done
    return connecting
  } catch (error) {
    connecting.destroy()
    throw new Refused(502, `The host could not be connected to: ${messageOf(error)}.`)
  } finally {
    clearTimeout(timer)
  }
}

function answerTo(error: unknown): { readonly status: number; readonly text: string } {
  const status = error instanceof Refused ? error.status : 502
  return { status, text: `${printable(messageOf(error), 500)}\n` }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return
  const { status, text } = answerTo(error)
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
  response.end(text)
}
