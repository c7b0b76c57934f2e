import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'
import type { Access } from './access.ts'
import { forwarded, returned, upstreamHost, withoutOwnCookie } from './headers.ts'
import { nobodyPage, statePage, wordsOf, type Page, type Shown } from './pages.ts'
import { hostOf, refusalOf, type Hosts } from './refusals.ts'

/** The preview of one thread, as the gateway sees it. */
export interface Target {
  /** The label of its host. */
  readonly label: string
  readonly workTree: string
  /** Folders outside of the work tree that its server serves from. */
  readonly caches: readonly string[]
  /** Only sockets that Vite knows get an answer from it. */
  viteOnly(): boolean
  /** Where it listens on loopback, while it is ready. */
  port(): number | undefined
  shown(): Shown
  /** Starts it where it does not run; returns at once. */
  wake(): void
  /** Somebody asks for something of it; for a page, with its path. */
  used(page: string | undefined): void
  opened(): Disposable
  /** A page was answered by an error. */
  pageFailed(): void
  /** What the page that opens a socket has not heard. */
  owed(): string | undefined
}

export interface GatewayOptions {
  readonly hosts: Hosts
  readonly log: Log
  /** Who may see previews, where not everybody who reaches this may. */
  readonly access: Access | undefined
  /** The preview of a label; without one, that of the thread that was active last. */
  readonly find: (label: string | undefined) => Promise<Target | undefined>
}

/** The answer to a handshake, with one more text message behind it (RFC 6455, 5.2: a text frame, whole and not masked). */
function withMessage(answer: Buffer, text: string): Buffer {
  const [payload, end] = [Buffer.from(text), answer.indexOf('\r\n\r\n') + 4]
  if (end < 4 || !answer.subarray(0, 12).toString('latin1').startsWith('HTTP/1.1 101') || payload.length > 65_535) return answer
  const head = payload.length < 126 ? Buffer.from([0x81, payload.length]) : Buffer.from([0x81, 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([answer.subarray(0, end), head, payload, answer.subarray(end)])
}

/** Paths that the gateway answers itself. */
const OWN = '/__branchline/'
const HANDSHAKE_MS = 10_000

/** One door for the previews of all threads, HTTP and WebSocket alike, by the host that is asked for. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions
  /** A connection for each request: one that is kept may be closed by its server in the moment in which it is used again. */
  readonly #agent = new Agent({ keepAlive: false, maxSockets: 256 })
  readonly #servers: Server[] = []
  /** Open sockets: a server that closes does not know them any more. */
  readonly #sockets = new Set<Duplex>()

  constructor(options: GatewayOptions) {
    this.#options = options
  }

  /**
   * Listens; answers the port.
   *
   * @param socketsOnly answers no pages: for set-ups whose pages ask for their socket at a port of its own
   * @throws the error of a port that is taken
   */
  async listen(host: string, port: number, socketsOnly = false): Promise<number> {
    const server = createServer((incoming, outgoing) => {
      const answered = socketsOnly
        ? Promise.resolve(plain(outgoing, 426, 'Only sockets of hot module replacement are answered here.'))
        : this.#serve(incoming, outgoing)
      answered.catch((error: unknown) => {
        this.#options.log.error({ event: 'preview.request_failed', error: messageOf(error) })
        if (outgoing.headersSent) outgoing.destroy()
        else plain(outgoing, 502, 'The preview could not be asked.')
      })
    })
    server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy())
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      this.#upgrade(incoming, socket, head).catch(() => socket.destroy())
    })
    server.listen(port, host)
    await once(server, 'listening')
    this.#servers.push(server)
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.map(async (server) => {
        if (!server.listening) return
        const closed = once(server, 'close')
        server.close()
        server.closeAllConnections()
        for (const socket of this.#sockets) socket.destroy()
        await closed
      }),
    )
    this.#agent.destroy()
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    incoming.on('error', () => outgoing.destroy())
    const { hosts, access, find } = this.#options
    const host = hostOf(incoming.headers.host, hosts)
    if (host === undefined) return plain(outgoing, 421, 'No preview has this name.')
    if (access !== undefined) {
      const entered = access.enter(incoming, host)
      if (entered !== undefined) return void outgoing.writeHead(entered.status, entered.headers).end(entered.body)
    }
    const target = await find(host.label)
    if (target === undefined) return page(incoming, outgoing, 404, nobodyPage(host.label))
    const url = incoming.url ?? '/'
    if (url.startsWith(OWN)) return own(url, target, outgoing)
    const refusal = await refusalOf({ url, headers: incoming.headers, host, workTree: target.workTree, caches: target.caches })
    if (refusal !== undefined) return plain(outgoing, refusal.status, refusal.why)
    target.used(isPage(incoming) ? url : undefined)
    const port = target.port()
    if (port === undefined) {
      target.wake()
      return page(incoming, outgoing, 503, statePage(target.shown()))
    }
    this.#pass(incoming, outgoing, { target, port, host: host.name })
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, { target, port, host }: { target: Target; port: number; host: string }): void {
    const upstream = request({
      host: '127.0.0.1',
      port,
      method: incoming.method,
      path: incoming.url,
      headers: forwarded(incoming, { host, port, own: this.#options.access?.cookie }),
      agent: this.#agent,
    })
    upstream.on('response', (answer) => {
      if ((answer.statusCode ?? 0) >= 500 && isPage(incoming)) target.pageFailed()
      outgoing.writeHead(answer.statusCode ?? 502, returned(answer.headers))
      answer.on('error', () => outgoing.destroy())
      answer.pipe(outgoing)
    })
    upstream.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy()
      else page(incoming, outgoing, 503, statePage({ ...target.shown(), state: 'starting' })) // it has just ended, and is started again
    })
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { hosts, access, find } = this.#options
    const host = hostOf(incoming.headers.host, hosts)
    if (host === undefined) return refuse(socket, 421)
    // A page of anybody may open a socket to anywhere; the server behind asks for no token where no Origin is named.
    if (incoming.headers.origin === undefined || !host.origins.includes(incoming.headers.origin)) return refuse(socket, 403)
    if (access !== undefined && !access.holds(incoming, host)) return refuse(socket, 403)
    const target = await find(host.label)
    const url = incoming.url ?? '/'
    if (target === undefined || (await refusalOf({ url, headers: {}, host, workTree: target.workTree, caches: target.caches })) !== undefined)
      return refuse(socket, 404)
    const protocol = incoming.headers['sec-websocket-protocol']
    if (target.viteOnly() && protocol !== 'vite-hmr' && protocol !== 'vite-ping') return refuse(socket, 400)
    const port = target.port()
    if (port === undefined) {
      target.wake()
      return refuse(socket, 503)
    }
    const upstream = connect(port, '127.0.0.1')
    upstream.setTimeout(HANDSHAKE_MS, () => upstream.destroy())
    upstream.once('data', () => upstream.setTimeout(0))
    const open = protocol === 'vite-ping' ? undefined : target.opened()
    const over = (): void => {
      socket.destroy()
      upstream.destroy()
      open?.[Symbol.dispose]()
    }
    let ended = false
    const end = (): void => {
      if (!ended) over()
      ended = true
    }
    for (const stream of [socket, upstream]) stream.on('error', end).once('end', end).once('close', end)
    upstream.once('connect', () => {
      const headers = withoutOwnCookie(incoming.rawHeaders, access?.cookie)
      const lines = [`GET ${url} HTTP/1.1`]
      for (let at = 0; at < headers.length; at += 2) {
        const name = headers[at] ?? ''
        lines.push(`${name}: ${name.toLowerCase() === 'host' ? upstreamHost(host.name, port) : headers[at + 1]}`)
      }
      upstream.write(`${lines.join('\r\n')}\r\n\r\n`)
      upstream.write(head)
      socket.pipe(upstream)
      const owed = protocol === 'vite-hmr' ? target.owed() : undefined
      if (owed !== undefined) upstream.once('data', (first: Buffer) => socket.write(withMessage(first, owed)))
      if (owed === undefined) upstream.pipe(socket)
      else upstream.once('data', () => upstream.pipe(socket))
    })
  }
}

const isPage = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && (headers['sec-fetch-dest'] ?? 'document') !== 'empty' && /\btext\/html\b/.test(headers.accept ?? '')

function own(url: string, target: Target, outgoing: ServerResponse): void {
  if (url !== `${OWN}state`) return plain(outgoing, 404, 'There is no such page.')
  if (target.port() === undefined) target.wake()
  outgoing
    .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify({ ...target.shown(), ...wordsOf(target.shown()) }))
}

function plain(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }).end(`${text}\n`)
}

function page(incoming: IncomingMessage, outgoing: ServerResponse, status: number, html: Page): void {
  if (!/\btext\/html\b/.test(incoming.headers.accept ?? '')) {
    outgoing.setHeader('retry-after', '1')
    return plain(outgoing, status, html.text)
  }
  outgoing
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': html.policy,
      'cache-control': 'no-store',
      'retry-after': '1',
      'referrer-policy': 'no-referrer',
    })
    .end(html.html)
}

function refuse(socket: Duplex, status: 400 | 403 | 404 | 421 | 503): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
