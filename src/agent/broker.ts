import { randomBytes } from 'node:crypto'
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import { messageOf } from '../observe/text.ts'
import type { Log } from '../observe/log.ts'
import { bedrockEndpoint, MAX_BEDROCK_BODY, type Bedrock } from './bedrock.ts'

/** The real credential; it never leaves this room. */
export interface Credential {
  readonly header: 'x-api-key' | 'authorization'
  readonly value: string
  /** A subscription's token: the API takes it only with this beta named. */
  readonly oauth?: boolean
}

export interface MessagesApi {
  readonly kind: 'anthropic'
  /** Where the Messages API is. */
  readonly url: string
  readonly credential: Credential | undefined
}

/** Where the model is, and what puts the real credential into requests. */
export type Upstream = MessagesApi | Bedrock

/** What one agent process may use instead of a key. */
export interface Pass extends Disposable {
  /** Worth nothing outside this machine, and here only while a run is open. */
  readonly token: string
  open(): void
  close(): void
}

const ENDPOINTS = ['/v1/messages', '/v1/messages/count_tokens']
const OAUTH_BETA = 'oauth-2025-04-20'
const DROPPED = new Set(['host', 'connection', 'x-api-key', 'authorization', 'proxy-authorization', 'transfer-encoding'])

/**
 * Stands on loopback between the agents and the model. An agent shows the token of its pass; the broker lets only requests
 * of the Messages API through, only while that agent has an open run, and puts the real credential in the token's place.
 */
export class Broker implements AsyncDisposable {
  readonly #upstream: Upstream
  readonly #log: Log
  readonly #passes = new Map<string, { open: boolean }>()
  readonly #server = createServer((request, response) => this.#serve(request, response))

  constructor(upstream: Upstream, log: Log) {
    this.#upstream = upstream
    this.#log = log
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
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  pass(): Pass {
    const token = `pass-${randomBytes(24).toString('base64url')}`
    const state = { open: false }
    this.#passes.set(token, state)
    return {
      token,
      open: () => void (state.open = true),
      close: () => void (state.open = false),
      [Symbol.dispose]: () => void this.#passes.delete(token),
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#refusal(request)
    if (refusal !== undefined) {
      request.resume()
      refuse(response, refusal.status, refusal.message)
    } else if (this.#upstream.kind === 'bedrock') {
      void this.#forwardSigned(this.#upstream, request, response)
    } else {
      this.#forward(this.#upstream, request, response)
    }
  }

  #refusal(request: IncomingMessage): { readonly status: number; readonly message: string } | undefined {
    const shown = request.headers['x-api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '')
    const pass = typeof shown === 'string' ? this.#passes.get(shown) : undefined
    if (pass === undefined) return { status: 401, message: 'this is not the token of a running agent' }
    if (!pass.open) return { status: 403, message: 'no run is open for this agent' }
    if (endpointOf(this.#upstream, request) === undefined) return { status: 404, message: 'only requests for a model are served here' }
    return undefined
  }

  #forward(upstream: MessagesApi, request: IncomingMessage, response: ServerResponse): void {
    const target = targetOf(upstream, request)
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !DROPPED.has(name)))
    const { credential } = upstream
    if (credential !== undefined) {
      headers[credential.header] = credential.header === 'authorization' ? `Bearer ${credential.value}` : credential.value
      if (credential.oauth === true) headers['anthropic-beta'] = [headers['anthropic-beta'], OAUTH_BETA].filter((beta) => beta !== undefined).join(',')
    }
    request.pipe(this.#send(target, headers, response))
  }

  /** A signature covers the body, so the request is there as a whole before it is sent. */
  async #forwardSigned(upstream: Bedrock, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await bodyOf(request, MAX_BEDROCK_BODY)
      if (body === undefined) return refuse(response, 413, 'the request is too large')
      const url = targetOf(upstream, request)
      const headers = await upstream.authorize({ method: 'POST', url, headers: request.headers, body })
      if (!response.destroyed) this.#send(url, headers, response).end(body)
    } catch (error) {
      if (response.destroyed) return
      this.#log.warn({ event: 'model.unreachable', error: messageOf(error) })
      refuse(response, 502, 'the request could not be signed')
    }
  }

  #send(target: URL, headers: OutgoingHttpHeaders, response: ServerResponse): ClientRequest {
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const onward = send(target, { method: 'POST', headers })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    onward.on('error', (error) => {
      if (response.destroyed) return
      this.#log.warn({ event: 'model.unreachable', error: messageOf(error) })
      if (response.headersSent) response.destroy()
      else refuse(response, 502, 'the model cannot be reached')
    })
    // An agent that was interrupted hangs up; the model must not go on writing.
    response.on('close', () => onward.destroy())
    return onward
  }
}

/** Which of the endpoints a request is for; only its plain path counts, so that nothing in it can lead elsewhere. */
function endpointOf(upstream: Upstream, { method = '', url = '' }: IncomingMessage): string | undefined {
  if (upstream.kind === 'bedrock') return bedrockEndpoint(method, url)
  if (method !== 'POST') return undefined
  return ENDPOINTS.find((endpoint) => url === endpoint || url.startsWith(`${endpoint}?`))
}

function targetOf(upstream: Upstream, request: IncomingMessage): URL {
  const target = new URL(upstream.url)
  target.pathname = target.pathname.replace(/\/$/, '') + endpointOf(upstream, request)
  if (upstream.kind === 'anthropic') target.search = /\?.*$/s.exec(request.url ?? '')?.[0] ?? ''
  return target
}

/** The body as a whole, or undefined where it is longer than `max`. */
async function bodyOf(request: IncomingMessage, max: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length <= max) chunks.push(chunk)
  }
  return length <= max ? Buffer.concat(chunks) : undefined
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type: status === 502 ? 'api_error' : 'permission_error', message } }))
}
