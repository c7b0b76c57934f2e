import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { bedrockEndpoint, bedrockModel, MAX_BEDROCK_BODY, type Bedrock } from './bedrock.ts'

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

/** A request as it is sent on. */
export interface Outgoing {
  readonly target: URL
  readonly headers: OutgoingHttpHeaders
  /** Where it had to be read to be signed; else it passes through. */
  readonly body: Buffer | undefined
}

/** An agent's request is larger than the model takes. */
export class TooLarge extends Error {
  constructor() {
    super('the request is too large')
    this.name = 'TooLarge'
  }
}

const ENDPOINTS = ['/v1/messages', '/v1/messages/count_tokens']
/** Whatever a model says, nobody waits for longer. */
const LONGEST_WAIT_MS = 30 * 24 * 60 * 60_000
const OAUTH_BETA = 'oauth-2025-04-20'
const DROPPED = new Set(['host', 'connection', 'x-api-key', 'authorization', 'proxy-authorization', 'transfer-encoding', 'accept-encoding'])

/** Which of the endpoints a request is for; only its plain path counts, so that nothing in it can lead elsewhere. */
export function endpointOf(upstream: Upstream, { method = '', url = '' }: IncomingMessage): string | undefined {
  if (upstream.kind === 'bedrock') return bedrockEndpoint(method, url)
  if (method !== 'POST') return undefined
  return ENDPOINTS.find((endpoint) => url === endpoint || url.startsWith(`${endpoint}?`))
}

/** The model that the address of a request names, where it does; an answer of Bedrock need not. */
export const modelOf = (upstream: Upstream, endpoint: string): string | undefined => (upstream.kind === 'bedrock' ? bedrockModel(endpoint) : undefined)

/**
 * The request with the real credential in the place of the agent's token.
 *
 * @throws TooLarge, and where it could not be signed
 */
export async function outgoing(upstream: Upstream, endpoint: string, request: IncomingMessage): Promise<Outgoing> {
  const target = new URL(upstream.url)
  target.pathname = target.pathname.replace(/\/$/, '') + endpoint
  if (upstream.kind === 'bedrock') {
    const body = await bodyOf(request, MAX_BEDROCK_BODY)
    return { target, body, headers: await upstream.authorize({ method: 'POST', url: target, headers: request.headers, body }) }
  }
  target.search = /\?.*$/s.exec(request.url ?? '')?.[0] ?? ''
  return { target, body: undefined, headers: withCredential(request.headers, upstream.credential) }
}

function withCredential(given: IncomingHttpHeaders, credential: Credential | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.fromEntries(Object.entries(given).filter(([name]) => !DROPPED.has(name)))
  headers['accept-encoding'] = 'identity' // what an answer used is read out of it
  if (credential === undefined) return headers
  headers[credential.header] = credential.header === 'authorization' ? `Bearer ${credential.value}` : credential.value
  if (credential.oauth === true) headers['anthropic-beta'] = [given['anthropic-beta'], OAUTH_BETA].filter((beta) => beta !== undefined).join(',')
  return headers
}

async function bodyOf(request: IncomingMessage, max: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length <= max) chunks.push(chunk)
  }
  if (length > max) throw new TooLarge()
  return Buffer.concat(chunks)
}

/** Connections are kept, and go through the proxy that the environment names; never to a model on this machine. */
export function connectionsTo(url: string, networkEnv: Readonly<Record<string, string>>): HttpAgent {
  const { protocol, hostname } = new URL(url)
  const local = hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
  const options = { keepAlive: true, ...(local ? {} : { proxyEnv: { ...networkEnv } }) }
  return protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options)
}

/**
 * Until when a refusal says that asking again is no use, in ms since the epoch, or 0: `Retry-After` (RFC 9110), and the end of the
 * window of a subscription (`anthropic-ratelimit-unified-reset`, seconds since the epoch).
 */
export function limitedUntil({ statusCode = 0, headers }: IncomingMessage): number {
  if (statusCode !== 429 && statusCode !== 503 && statusCode !== 529) return 0
  const after = headers['retry-after'] ?? ''
  const waited = /^\d+(\.\d+)?$/.test(after) ? Date.now() + Number(after) * 1000 : Date.parse(after)
  const reset = statusCode === 429 ? Number(headers['anthropic-ratelimit-unified-reset'] ?? '') * 1000 : 0
  return Math.min(Math.max(...[waited, reset].filter((each) => Number.isFinite(each)), 0), Date.now() + LONGEST_WAIT_MS)
}
