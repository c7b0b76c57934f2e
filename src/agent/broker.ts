import { randomBytes } from 'node:crypto'
import { createServer, request as httpRequest, type Agent as Connections, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import { messageOf } from '../observe/text.ts'
import type { Log } from '../observe/log.ts'
import type { Account } from './account.ts'
import { Silence } from './silence.ts'
import { connectionsTo, endpointOf, limitedUntil, modelOf, outgoing, TooLarge, type Upstream } from './upstream.ts'
import { UsageReader } from './usage.ts'

export interface BrokerOptions {
  readonly log: Log
  /** A streamed answer of which nothing is heard for this long is cut off; Claude Code asks again. */
  readonly silenceMs: number
  /** Variables that say through which proxy the model is reached. */
  readonly networkEnv: Readonly<Record<string, string>>
}

/** What one agent process may use instead of a key. */
export interface Pass extends Disposable {
  /** Worth nothing outside this machine, and here only while a run is open. */
  readonly token: string
  /** A run has begun, which pays for what is asked. */
  open(account: Account): void
  close(): void
}

/** What a server says of its own connection, not of ours (RFC 9110, 7.6.1). */
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection'])

/** The model was silent for too long. */
class Silent extends Error {
  constructor() {
    super('nothing was heard from the model for too long')
    this.name = 'Silent'
  }
}

/**
 * Stands on loopback between the agents and the model. An agent shows the token of its pass; the broker lets only requests
 * for a model through, only while that agent has an open run and that run may spend, puts the real credential in the
 * token's place, and counts what each answer costs.
 */
export class Broker implements AsyncDisposable {
  readonly #upstream: Upstream
  readonly #options: BrokerOptions
  readonly #connections: Connections
  readonly #passes = new Map<string, { account: Account | undefined }>()
  readonly #server = createServer((request, response) => this.#serve(request, response))

  constructor(upstream: Upstream, options: BrokerOptions) {
    this.#upstream = upstream
    this.#options = options
    this.#connections = connectionsTo(upstream.url, options.networkEnv)
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the broker has not been started')
    return `http://127.0.0.1:${address.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  pass(): Pass {
    const token = `pass-${randomBytes(24).toString('base64url')}`
    const state: { account: Account | undefined } = { account: undefined }
    this.#passes.set(token, state)
    return {
      token,
      open: (account) => void (state.account = account),
      close: () => void (state.account = undefined),
      [Symbol.dispose]: () => void this.#passes.delete(token),
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const shown = request.headers['x-api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '')
    const pass = typeof shown === 'string' ? this.#passes.get(shown) : undefined
    const endpoint = endpointOf(this.#upstream, request)
    const refused = (status: number, message: string): void => {
      request.resume()
      refuse(response, status, message)
    }
    if (pass === undefined) return refused(401, 'this is not the token of a running agent')
    if (pass.account === undefined) return refused(403, 'no run is open for this agent')
    if (endpoint === undefined) return refused(404, 'only requests for a model are served here')
    if (pass.account.over.aborted) return refused(403, messageOf(pass.account.over.reason))
    void this.#forward(endpoint, request, response, pass.account).catch((error: unknown) => this.#failed(error, response))
  }

  async #forward(endpoint: string, request: IncomingMessage, response: ServerResponse, account: Account): Promise<void> {
    const { target, headers, body } = await outgoing(this.#upstream, endpoint, request)
    if (response.destroyed) return
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const onward = send(target, { method: 'POST', headers, agent: this.#connections })
    const silence = new Silence(this.#options.silenceMs, () => onward.destroy(new Silent()))
    onward.on('response', (answer) => {
      silence.answered(answer)
      account.limited(limitedUntil(answer))
      this.#answer(answer, response, account, modelOf(this.#upstream, endpoint)).catch(() => response.destroy())
    })
    onward.on('error', (error) => this.#failed(error, response))
    stopWith(onward, response, account)
    account.ask()
    response.on('close', () => silence.over())
    if (body === undefined) {
      request.on('data', (chunk: Buffer) => silence.asked(chunk))
      request.pipe(onward)
    } else {
      silence.watch(endpoint.endsWith('stream'))
      onward.end(body)
    }
  }

  /** Hands an answer on, piece by piece as it comes, and counts what it used, however it ends. */
  async #answer(answer: IncomingMessage, response: ServerResponse, account: Account, model: string | undefined): Promise<void> {
    const count = account.request()
    const usage = new UsageReader(answer.headers['content-type'] ?? '', (named, tokens, final) => count(named ?? model, tokens, final))
    answer.on('data', (chunk: Buffer) => usage.write(chunk))
    answer.on('error', () => response.destroy())
    // Whichever comes first: it is whole, it breaks off, or the agent is cut off, after which nothing more of it is read.
    for (const over of [answer, response]) over.on('close', () => usage.end())
    answer.on('end', () => usage.end())
    answer.on('close', () => void (answer.complete || response.destroy()))
    answer.pause()
    await account.ready
    if (response.destroyed) return
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !OF_ONE_CONNECTION.has(name))))
    answer.pipe(response)
  }

  #failed(error: unknown, response: ServerResponse): void {
    if (response.destroyed) return
    if (!(error instanceof TooLarge)) this.#options.log.warn({ event: 'model.unreachable', error: messageOf(error) })
    if (response.headersSent) response.destroy()
    else if (error instanceof TooLarge) refuse(response, 413, error.message)
    else if (error instanceof Silent) refuse(response, 504, 'the model did not answer in time')
    else refuse(response, 502, 'the model cannot be reached')
  }
}

/** An agent that was interrupted hangs up, and one whose budget is spent is cut off: the model must not go on writing. */
function stopWith(onward: ClientRequest, response: ServerResponse, account: Account): void {
  const cut = (): void => {
    onward.destroy()
    response.destroy()
  }
  account.over.addEventListener('abort', cut)
  response.on('close', () => {
    account.over.removeEventListener('abort', cut)
    onward.destroy()
  })
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type: status >= 500 ? 'api_error' : 'permission_error', message } }))
}
