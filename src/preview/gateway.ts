import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'
import type { Access } from './access.ts'
import { forwarded, returned } from './headers.ts'
import { changeable, changed, inject, inPageScript, isForFrame, isReadable, SCRIPT, tagFor } from './injection.ts'
import { nobodyPage, statePage, wordsOf, type Page, type Shown } from './pages.ts'
import { hostOf, refusalOf, type Hosts } from './refusals.ts'

/** The preview of one thread, as the gateway sees it. */
export interface Target {
  /** The label of its host. */
  readonly label: string
  readonly workTree: string
  /** Folders outside of the work tree that its server serves from. */
  readonly caches: readonly string[]
  /** Users of this thread's agent and preview, where they have their own. */
  readonly users: ReadonlySet<number>
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
  /** The user of the agent or preview at the other end of a connection; `undefined` where it is neither. */
  readonly askerOf: (socket: Socket) => Promise<number | undefined>
  /** The preview of a label; without one, that of the thread that was active last. */
  readonly find: (label: string | undefined) => Promise<Target | undefined>
  /** Origins of the console, which shows previews in a frame and speaks with their pages. */
  readonly consoles: () => readonly string[]
}

/** A request on its way to a dev server. */
interface Passing {
  readonly target: Target
  readonly port: number
  readonly host: string
  /** What is put into the page that is answered. */
  readonly tag: string | undefined
}

/** Paths that the gateway answers itself. */
const OWN = '/__branchline/'
const HANDSHAKE_MS = 10_000
/** A page may be made for the first time, with all that it is made of. */
const ANSWER_MS = 120_000

/** One door for the previews of all threads, HTTP and WebSocket alike, by the host that is asked for. */
export class Gateway implements AsyncDisposable {
  readonly #options: GatewayOptions
  readonly #askers = new WeakMap<Socket, Promise<number | undefined>>()
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
    if (!(await this.#mayAsk(incoming.socket, target))) return plain(outgoing, 403, 'Agents see the preview of their own thread alone.')
    const url = incoming.url ?? '/'
    const refusal = await refusalOf({ url, headers: incoming.headers, host, workTree: target.workTree, caches: target.caches })
    if (refusal !== undefined) return plain(outgoing, refusal.status, refusal.why)
    const consoles = isForFrame(incoming) ? this.#options.consoles() : []
    const tag = consoles.length === 0 ? undefined : await tagFor(consoles, target.workTree)
    if (incoming.destroyed || outgoing.destroyed) return // nobody waits for it any more
    if (url.startsWith(OWN)) return await own(url, target, outgoing)
    target.used(isPage(incoming) ? url : undefined)
    const port = target.port()
    if (port === undefined) {
      target.wake()
      return page(incoming, outgoing, 503, statePage(target.shown()))
    }
    this.#pass(incoming, outgoing, { target, port, host: host.name, tag })
  }

  #pass(incoming: IncomingMessage, outgoing: ServerResponse, { target, port, host, tag }: Passing): void {
    // A connection for each request: one that is kept may be closed by its server in the moment in which it is used again.
    const asked = forwarded(incoming, { host, port, own: this.#options.access?.cookie })
    const headers = tag === undefined ? asked : changeable(asked)
    let complete = (): boolean => false
    const upstream = request({ host: '127.0.0.1', port, method: incoming.method, path: incoming.url, headers, agent: false })
    upstream.setTimeout(ANSWER_MS, () => upstream.destroy())
    upstream.on('response', (answer) => {
      upstream.setTimeout(0)
      const status = answer.statusCode ?? 0
      if (status < 200 || status > 599) {
        answer.destroy()
        return plain(outgoing, 502, 'The site answers with what is no answer.')
      }
      if (status >= 500 && isPage(incoming)) target.pageFailed()
      const injected = tag !== undefined && isReadable(answer) ? inject(tag) : undefined
      outgoing.writeHead(status, injected === undefined ? returned(answer.headers) : changed(returned(answer.headers)))
      answer.on('error', () => outgoing.destroy())
      complete = () => answer.complete
      if (injected === undefined) answer.pipe(outgoing)
      else answer.pipe(injected).pipe(outgoing)
    })
    upstream.on('upgrade', (_, stream) => stream.destroy()) // nobody has asked for that
    upstream.on('error', () => {}) // seen below
    upstream.on('close', () => {
      if (outgoing.headersSent || outgoing.destroyed) return void (outgoing.writableEnded || complete() || outgoing.destroy())
      page(incoming, outgoing, 503, statePage({ ...target.shown(), state: 'starting' })) // it has just ended, and is started again
    })
    outgoing.on('close', () => upstream.destroy())
    incoming.pipe(upstream)
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { hosts, access, find } = this.#options
    const host = hostOf(incoming.headers.host, hosts)
    if (host === undefined) return refuse(socket, 421)
    const { origin, upgrade, 'sec-websocket-version': version, 'sec-websocket-protocol': protocol } = incoming.headers
    // A page of anybody may open a socket to anywhere; the server behind asks for no token where no Origin is named.
    if (origin === undefined || !host.origins.includes(origin)) return refuse(socket, 403)
    if (incoming.method !== 'GET' || upgrade?.toLowerCase() !== 'websocket' || version !== '13') return refuse(socket, 400)
    if (access !== undefined && !access.holds(incoming, host)) return refuse(socket, 403)
    const target = await find(host.label)
    const url = incoming.url ?? '/'
    if (target === undefined || (await refusalOf({ url, headers: {}, host, workTree: target.workTree, caches: target.caches })) !== undefined)
      return refuse(socket, 404)
    if (!(await this.#mayAsk(incoming.socket, target))) return refuse(socket, 403)
    if (target.viteOnly() && protocol !== 'vite-hmr' && protocol !== 'vite-ping') return refuse(socket, 400)
    if (socket.destroyed) return
    const port = target.port()
    // A page that only asks whether its server is back does not take the place of one that is looked at.
    if (port === undefined) return refuse(socket, 503)
    const headers = forwarded(incoming, { host: host.name, port, own: access?.cookie })
    const upstream = request({ host: '127.0.0.1', port, path: url, headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket' }, agent: false })
    upstream.setTimeout(HANDSHAKE_MS, () => upstream.destroy())
    upstream.on('error', () => socket.destroy())
    // What answers in any other way has opened no socket, and nothing more of this connection reaches it.
    upstream.on('response', (answer) => {
      answer.destroy()
      refuse(socket, 502)
    })
    upstream.on('upgrade', (answer, stream, first) => {
      stream.setTimeout(0)
      const lines = [`HTTP/1.1 101 Switching Protocols`]
      for (let at = 0; at < answer.rawHeaders.length; at += 2) lines.push(`${answer.rawHeaders[at]}: ${answer.rawHeaders[at + 1]}`)
      socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
      const owed = protocol === 'vite-hmr' ? target.owed() : undefined
      if (owed !== undefined) socket.write(textFrame(owed))
      socket.write(first)
      stream.write(head)
      join(socket, stream, protocol === 'vite-ping' ? undefined : target.opened())
    })
    socket.once('close', () => upstream.destroy())
    upstream.end()
  }

  /** Programs of agents of this machine, and of previews, see their own thread's preview alone. */
  async #mayAsk(socket: Socket, { users }: Target): Promise<boolean> {
    const known = this.#askers.get(socket) ?? this.#options.askerOf(socket)
    this.#askers.set(socket, known)
    const asker = await known
    return asker === undefined || users.has(asker)
  }
}

/** Passes everything on in both directions; either end ends the other. */
function join(socket: Duplex, stream: Duplex, open: Disposable | undefined): void {
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    socket.destroy()
    stream.destroy()
    open?.[Symbol.dispose]()
  }
  for (const each of [socket, stream]) each.on('error', end).once('end', end).once('close', end)
  if (socket.destroyed || stream.destroyed) return end()
  socket.pipe(stream).pipe(socket)
}

/** A text message, whole and not masked (RFC 6455, 5.2). */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  if (payload.length > 65_535) return Buffer.alloc(0)
  const head = payload.length < 126 ? [0x81, payload.length] : [0x81, 126, payload.length >> 8, payload.length & 255]
  return Buffer.concat([Buffer.from(head), payload])
}

const isPage = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && (headers['sec-fetch-dest'] ?? 'document') !== 'empty' && /\btext\/html\b/.test(headers.accept ?? '')

async function own(url: string, target: Target, outgoing: ServerResponse): Promise<void> {
  if (url === SCRIPT) {
    const headers = { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' }
    return void outgoing.writeHead(200, headers).end(await inPageScript())
  }
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

function refuse(socket: Duplex, status: 400 | 403 | 404 | 421 | 502 | 503): void {
  socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy())
}
