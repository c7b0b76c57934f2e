import { randomBytes } from 'node:crypto'
import { Agent as HttpAgent, createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import { messageOf } from '../observe/text.ts'
import type { Log } from '../observe/log.ts'
import type { Account } from './account.ts'
import { Silence } from './silence.ts'
import { UsageReader } from './usage.ts'

/** The real credential; it never leaves this room. */
export interface Credential {
  readonly header: 'x-api-key' | 'authorization'
  readonly value: string
  /** A subscription's token: the API takes it only with this beta named. */
  readonly oauth?: boolean
}

export interface Upstream {
  /** Where the Messages API is. */
  readonly url: string
  readonly credential: Credential | undefined
}

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

const ENDPOINTS = ['/v1/messages', '/v1/messages/count_tokens']
const OAUTH_BETA = 'oauth-2025-04-20'
const DROPPED = new Set(['host', 'connection', 'x-api-key', 'authorization', 'proxy-authorization', 'transfer-encoding', 'accept-encoding'])

/**
 * Stands on loopback between the agents and the model. An agent shows the token of its pass; the broker lets only requests
 * of the Messages API through, only while that agent has an open run and that run may spend, puts the real credential in the
 * token's place, and counts what each answer costs.
 */
export class Broker implements AsyncDisposable {
  readonly #upstream: Upstream
  readonly #options: BrokerOptions
  readonly #agent: HttpAgent
  readonly #passes = new Map<string, { account: Account | undefined }>()
  readonly #server = createServer((request, response) => this.#serve(request, response))

  constructor(upstream: Upstream, options: BrokerOptions) {
    this.#upstream = upstream
    this.#options = options
    this.#agent = agentFor(upstream.url, options.networkEnv)
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
    this.#agent.destroy()
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
    const refused = (status: number, message: string): void => {
      request.resume()
      refuse(response, status, message)
    }
    if (pass === undefined) return refused(401, 'this is not the token of a running agent')
    if (pass.account === undefined) return refused(403, 'no run is open for this agent')
    if (request.method !== 'POST' || endpointOf(request) === undefined) return refused(404, 'only the Messages API is served here')
    if (pass.account.over.aborted) return refused(403, messageOf(pass.account.over.reason))
    this.#forward(request, response, pass.account)
  }

  #forward(request: IncomingMessage, response: ServerResponse, account: Account): void {
    const onward = this.#onward(request)
    const silence = new Silence(this.#options.silenceMs, () => onward.destroy(new Silent()))
    request.on('data', (chunk: Buffer) => silence.asked(chunk))
    onward.on('response', (answer) => {
      silence.answered(answer)
      account.limited(limitedUntil(answer))
      this.#answer(answer, response, account).catch(() => response.destroy())
    })
    onward.on('error', (error) => {
      silence.over()
      if (response.destroyed) return
      this.#options.log.warn({ event: 'model.unreachable', error: messageOf(error) })
      if (response.headersSent) response.destroy()
      else if (error instanceof Silent) refuse(response, 504, 'the model did not answer in time')
      else refuse(response, 502, 'the model cannot be reached')
    })
    // An agent that was interrupted hangs up, and one whose budget is spent is cut off: the model must not go on writing.
    const stop = (): void => void onward.destroy()
    account.over.addEventListener('abort', stop)
    response.on('close', () => {
      account.over.removeEventListener('abort', stop)
      silence.over()
      stop()
    })
    request.pipe(onward)
  }

  /** Hands an answer on, piece by piece as it comes, and counts what it used, however it ends. */
  async #answer(answer: IncomingMessage, response: ServerResponse, account: Account): Promise<void> {
    const usage = new UsageReader(answer.headers['content-type'] ?? '', account.request())
    answer.on('data', (chunk: Buffer) => usage.write(chunk))
    answer.on('error', () => response.destroy())
    answer.on('close', () => {
      usage.end()
      if (!answer.complete) response.destroy()
    })
    answer.pause()
    await account.ready
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  }

  #onward(request: IncomingMessage): ClientRequest {
    const target = new URL(this.#upstream.url)
    target.pathname = target.pathname.replace(/\/$/, '') + endpointOf(request)
    target.search = /\?.*$/s.exec(request.url ?? '')?.[0] ?? ''
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !DROPPED.has(name)))
    headers['accept-encoding'] = 'identity' // what it used is read out of it
    const { credential } = this.#upstream
    if (credential !== undefined) {
      headers[credential.header] = credential.header === 'authorization' ? `Bearer ${credential.value}` : credential.value
      if (credential.oauth === true) headers['anthropic-beta'] = [headers['anthropic-beta'], OAUTH_BETA].filter((beta) => beta !== undefined).join(',')
    }
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    return send(target, { method: 'POST', headers, agent: this.#agent })
  }
}

/** The model was silent for too long. */
class Silent extends Error {
  constructor() {
    super('nothing was heard from the model for too long')
    this.name = 'Silent'
  }
}

/** Connections are kept, and go through the proxy that the environment names; never for a model on this machine. */
function agentFor(url: string, networkEnv: Readonly<Record<string, string>>): HttpAgent {
  const { protocol, hostname } = new URL(url)
  const local = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  const options = { keepAlive: true, ...(local ? {} : { proxyEnv: { ...networkEnv } }) }
  return protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
}

/**
 * Until when a refusal says that asking again is no use, in ms since the epoch, or 0: `Retry-After` (RFC 9110), and the end of the
 * window of a subscription (`anthropic-ratelimit-unified-reset`, seconds since the epoch).
 */
function limitedUntil({ statusCode = 0, headers }: IncomingMessage): number {
  if (statusCode !== 429 && statusCode !== 503 && statusCode !== 529) return 0
  const after = headers['retry-after'] ?? ''
  const waited = /^\d+(\.\d+)?$/.test(after) ? Date.now() + Number(after) * 1000 : Date.parse(after)
  const reset = statusCode === 429 ? Number(headers['anthropic-ratelimit-unified-reset'] ?? '') * 1000 : 0
  return Math.max(...[waited, reset].filter((each) => Number.isFinite(each)), 0)
}

/** Which of the endpoints a request is for; only its plain path counts, so that nothing in it can lead elsewhere. */
function endpointOf({ url = '' }: IncomingMessage): string | undefined {
  return ENDPOINTS.find((endpoint) => url === endpoint || url.startsWith(`${endpoint}?`))
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type: status >= 500 ? 'api_error' : 'permission_error', message } }))
}
