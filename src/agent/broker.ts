import { randomBytes } from 'node:crypto'
import { createServer, request as httpRequest, type Agent as Connections, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { once } from 'node:events'
import { messageOf } from '../observe/text.ts'
import type { Log } from '../observe/log.ts'
import type { Account, Meter } from './account.ts'
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
  /** A run has begun, which pays for what is asked. The model's answers are handed on when `ready` has resolved. */
  open(account: Account, ready?: Promise<unknown>): void
  /** What is under way is cut off. */
  close(): void
}

/** A run that pays for what its agent asks. */
interface Open {
  readonly account: Account
  readonly ready: Promise<unknown>
  readonly requests: Set<ServerResponse>
}

/** Who answers, and the connections that lead there. */
interface Model {
  readonly upstream: Upstream
  readonly connections: Connections
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
  #model: Model
  /** Those from before a switch, over which something may still be under way. */
  readonly #before: Model[] = []
  readonly #options: BrokerOptions
  readonly #passes = new Map<string, { run: Open | undefined }>()
  readonly #server = createServer((request, response) => this.#serve(request, response))

  constructor(upstream: Upstream, options: BrokerOptions) {
    this.#options = options
    this.#model = this.#reach(upstream)
  }

  /** From here on requests go there; what is under way goes on. */
  switchTo(upstream: Upstream): void {
    this.#before.push(this.#model)
    this.#model = this.#reach(upstream)
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
    for (const { connections } of [...this.#before, this.#model]) connections.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #reach(upstream: Upstream): Model {
    return { upstream, connections: connectionsTo(upstream.url, this.#options.networkEnv) }
  }

  pass(): Pass {
    const token = `pass-${randomBytes(24).toString('base64url')}`
    const state: { run: Open | undefined } = { run: undefined }
    this.#passes.set(token, state)
    const close = (): void => {
      for (const response of state.run?.requests ?? []) response.destroy()
      state.run = undefined
    }
    return {
      token,
      open: (account, ready = Promise.resolve()) => {
        close()
        ready.catch(() => {}) // whoever gave it hears it too
        state.run = { account, ready, requests: new Set() }
      },
      close,
      [Symbol.dispose]: () => {
        close()
        this.#passes.delete(token)
      },
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const shown = request.headers['x-api-key'] ?? request.headers.authorization?.replace(/^Bearer /, '')
    const pass = typeof shown === 'string' ? this.#passes.get(shown) : undefined
    const endpoint = endpointOf(this.#model.upstream, request)
    const refused = (status: number, message: string): void => {
      request.resume()
      refuse(response, status, message)
    }
    if (pass === undefined) return refused(401, 'this is not the token of a running agent')
    if (pass.run === undefined) return refused(403, 'no run is open for this agent')
    if (endpoint === undefined) return refused(404, 'only requests for a model are served here')
    if (pass.run.account.over.aborted) return refused(403, messageOf(pass.run.account.over.reason))
    if (!pass.run.account.mayAsk()) return refused(429, 'too much is asked at once')
    void this.#forward(endpoint, request, response, pass.run).catch((error: unknown) => this.#failed(error, response))
  }

  async #forward(endpoint: string, request: IncomingMessage, response: ServerResponse, { account, ready, requests }: Open): Promise<void> {
    const meter = account.request()
    const cut = (): void => void response.destroy()
    requests.add(response)
    account.over.addEventListener('abort', cut)
    response.on('close', () => {
      requests.delete(response)
      account.over.removeEventListener('abort', cut)
      if (!request.complete) request.destroy() // a body that is still awaited
      meter.end()
    })
    const { upstream, connections } = this.#model
    const { target, headers, body } = await outgoing(upstream, endpoint, request)
    if (response.destroyed) return
    const send = target.protocol === 'https:' ? httpsRequest : httpRequest
    const onward = send(target, { method: 'POST', headers, agent: connections })
    const silence = new Silence(this.#options.silenceMs, () => onward.destroy(new Silent()))
    onward.on('response', (answer) => {
      silence.over()
      account.limited(limitedUntil(answer))
      if ((answer.statusCode ?? 0) >= 400 || endpoint.endsWith('/count_tokens')) meter.free()
      this.#answer(answer, response, meter, modelOf(upstream, endpoint), ready)
        .then(() => silence.answered(answer))
        .catch(cut)
    })
    onward.on('error', (error) => this.#failed(error, response))
    // An agent that was interrupted hangs up, and one whose budget is spent is cut off: the model must not go on writing.
    response.on('close', () => {
      silence.over()
      onward.destroy()
    })
    if (body === undefined) {
      request.on('data', (chunk: Buffer) => {
        meter.sent(chunk.length)
        silence.asked(chunk)
      })
      request.pipe(onward)
    } else {
      meter.sent(body.length)
      silence.watch(endpoint.endsWith('stream'))
      onward.end(body)
    }
  }

  /** Hands an answer on, piece by piece as it comes, and counts what it used, however it ends. */
  async #answer(answer: IncomingMessage, response: ServerResponse, meter: Meter, model: string | undefined, ready: Promise<unknown>): Promise<void> {
    const usage = new UsageReader(answer.headers['content-type'] ?? '', (named, tokens) => {
      // An answer that says nothing of itself may be cut off before it could.
      if (named !== undefined || Object.values(tokens).some((count) => count > 0)) meter.count(named ?? model, tokens)
    })
    answer.on('data', (chunk: Buffer) => usage.write(chunk))
    answer.on('error', () => response.destroy())
    // Whichever comes first: it is whole, it breaks off, or the agent is cut off, after which nothing more of it is read.
    for (const over of [answer, response]) over.prependListener('close', () => usage.end())
    answer.on('end', () => usage.end())
    answer.on('close', () => void (answer.complete || response.destroy()))
    answer.pause()
    await ready
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

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ type: 'error', error: { type: status >= 500 ? 'api_error' : status === 429 ? 'rate_limit_error' : 'permission_error', message } }),
  )
}
