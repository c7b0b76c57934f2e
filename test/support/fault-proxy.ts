import { once } from 'node:events'
import { Agent, createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** Stands before a server that speaks AWS's JSON protocol, and does to requests what it is told to. An action is a name such as `SendMessage`. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** The same queue by way of this proxy. An SDK client without an endpoint in its code goes to the host of a queue's URL. */
  through(queueUrl: string): string
  /** How many requests came, by action, whatever became of them. */
  readonly requests: Readonly<Record<string, number>>
  /** Every request is forwarded this much later, also when its client has gone meanwhile. */
  delay(ms: number): void
  /** Requests are answered with that status and not forwarded. */
  answer(status: number, options?: AnswerOptions): void
  /** The next `times` requests of the action are each forwarded twice; the client hears the second answer. */
  repeat(action: string, times?: number): void
  /** The next `times` requests of the action are forwarded, and their client is cut off instead of answered. */
  dropAnswer(action: string, times?: number): void
  /** Connections, open and new ones, are accepted and never answered or closed; these stay so when it is over. */
  halfOpen(on: boolean): void
  /** Connections, open and new ones, are cut off. */
  refuse(on: boolean): void
  /** From here on everything is forwarded once, at once. */
  heal(): void
}

export interface AnswerOptions {
  /** Which actions; every one unless given. */
  readonly match?: (action: string) => boolean
  /** Without end unless given. */
  readonly times?: number
  /** The error's name. */
  readonly type?: string
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

interface Rule {
  readonly match: (action: string) => boolean
  left: number
}

const JSON_TYPE = 'application/x-amz-json-1.0'

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const requests: Record<string, number> = {}
  const [open, stuck] = [new Set<Socket>(), new Set<Socket>()]
  const over = new AbortController()
  const agent = new Agent() // a connection for each request, so that none outlives a restart of the target
  const answers: (Rule & { readonly status: number; readonly type: string })[] = []
  const [repeats, drops] = [[] as Rule[], [] as Rule[]]
  let [delayMs, isHalfOpen, refuses] = [0, false, false]

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await incoming.toArray())
    const action = String(incoming.headers['x-amz-target'] ?? '').replace(/^.*\./, '')
    requests[action] = (requests[action] ?? 0) + 1
    const { socket } = incoming
    if (stuck.has(socket)) return
    const [answered, repeated, dropped] = [take(answers, action), take(repeats, action), take(drops, action)]
    if (delayMs > 0) await setTimeout(delayMs, undefined, { signal: over.signal })
    let answer = answered === undefined ? await forward(agent, target, incoming, body) : failure(answered.status, answered.type)
    if (answered === undefined && repeated !== undefined) answer = await forward(agent, target, incoming, body)
    if (stuck.has(socket)) return
    if (dropped !== undefined) return void socket.destroy()
    outgoing.writeHead(answer.status, answer.headers)
    outgoing.end(answer.body)
  }
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => {
      if (!stuck.has(incoming.socket)) incoming.socket.destroy() // the client or the target has gone
    })
  })
  Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 }) // it never closes one of itself
  server.on('connection', (socket: Socket) => {
    if (refuses) return void socket.destroy()
    open.add(socket)
    if (isHalfOpen) stuck.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      stuck.delete(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const host = `127.0.0.1:${address === null || typeof address === 'string' ? 0 : address.port}`

  return {
    url: `http://${host}`,
    through: (queueUrl) => Object.assign(new URL(queueUrl), { host }).href,
    requests,
    delay: (ms) => void (delayMs = ms),
    answer: (status, { match = () => true, times = Infinity, type = 'InternalFailure' } = {}) => void answers.push({ status, type, match, left: times }),
    repeat: (action, times = 1) => void repeats.push({ match: (name) => name === action, left: times }),
    dropAnswer: (action, times = 1) => void drops.push({ match: (name) => name === action, left: times }),
    halfOpen: (on) => {
      isHalfOpen = on
      if (on) for (const socket of open) stuck.add(socket)
    },
    refuse: (on) => {
      refuses = on
      if (on) for (const socket of open) if (!stuck.has(socket)) socket.destroy()
    },
    heal: () => {
      ;[delayMs, isHalfOpen, refuses] = [0, false, false]
      for (const rules of [answers, repeats, drops]) rules.length = 0
    },
    [Symbol.asyncDispose]: async () => {
      if (over.signal.aborted) return
      over.abort()
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      agent.destroy()
      await closed
    },
  }
}

/** The first rule for the action that is not used up, used once more. */
function take<R extends Rule>(rules: readonly R[], action: string): R | undefined {
  const rule = rules.find(({ match, left }) => left > 0 && match(action))
  if (rule !== undefined) rule.left -= 1
  return rule
}

async function forward(agent: Agent, target: string, { url, method, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  const { connection: _, ...others } = headers
  const onward = request(`${target}${url}`, { agent, ...(method !== undefined && { method }), headers: others })
  onward.end(body)
  const [answer] = (await once(onward, 'response')) as [IncomingMessage]
  const { connection: _kept, 'keep-alive': _time, 'transfer-encoding': _form, ...rest } = answer.headers
  return { status: answer.statusCode ?? 502, headers: rest, body: Buffer.concat(await answer.toArray()) }
}

function failure(status: number, type: string): Answer {
  return { status, headers: { 'content-type': JSON_TYPE }, body: Buffer.from(JSON.stringify({ __type: type, message: 'as the test wants it' })) }
}
