import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { RunEvent } from '../command/event.ts'

/** Who the console speaks for, and what the service is. */
export interface Me {
  readonly name: string
  readonly role: 'view' | 'work' | 'administer'
  readonly clientId: string
  readonly userId: string
  readonly projectId: string
  readonly simulated: boolean
}

export interface ThreadSummary {
  readonly threadId: string
  readonly branch: string
  readonly lastActiveAt: string
  readonly costUsd: number
  readonly state: 'idle' | 'running' | 'waiting'
}

export interface Preview {
  readonly state: 'preparing' | 'starting' | 'ready' | 'broken' | 'failed' | 'stopped'
  readonly url?: string
  readonly errors: readonly string[]
  readonly why?: string
}

export interface Status extends ThreadSummary {
  readonly changedFiles: readonly string[]
  readonly preview: Preview
}

export interface Diff {
  readonly files: readonly string[]
  readonly patch: string
  readonly cut: boolean
}

/** The service did not accept a request; the message is for a person. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000
/** The service says every fifteen seconds that it is there. */
const SILENT_MS = 40_000

/** The HTTP API of the service, for one workspace. */
export class Api {
  readonly #token: string
  readonly me: Me

  private constructor(token: string, me: Me) {
    this.#token = token
    this.me = me
  }

  /** @throws Refused, 401 where the token is not known */
  static async signIn(token: string): Promise<Api> {
    return new Api(token, await json<Me>(await request('/api/me', token)))
  }

  async threads(): Promise<readonly ThreadSummary[]> {
    return (await this.#get<{ readonly threads: readonly ThreadSummary[] }>(`/api/threads/${this.#user}?limit=200&${this.#project}`)).threads
  }

  async status(threadId: string): Promise<Status> {
    return this.#get(`/api/status/${this.#user}/${encodeURIComponent(threadId)}?${this.#project}`)
  }

  async diff(threadId: string): Promise<Diff> {
    return this.#get(this.#thread(threadId, 'diff'))
  }

  /** Hands a message in; recorded when it returns. */
  async send(threadId: string, instruction: string, delivery: 'interrupt' | 'queue' | 'steer', mode: 'execute' | 'plan'): Promise<void> {
    const { clientId, userId, projectId } = this.me
    await this.#post('/api/execute', { clientId, userId, projectId, threadId, instruction, delivery, mode, wait: false })
  }

  async act(threadId: string, verb: 'interrupt' | 'undo' | 'push' | 'preview/start' | 'preview/restart'): Promise<void> {
    await this.#post(this.#thread(threadId, verb), verb === 'undo' || verb === 'push' ? { wait: false } : {})
  }

  /** Pushes the thread and opens its pull request, or finds it. Answers its address. */
  async pullRequest(threadId: string): Promise<string> {
    return (await json<{ readonly pullRequestUrl: string }>(await this.#post(this.#thread(threadId, 'pull-request'), {}))).pullRequestUrl
  }

  /** What happens in a thread, from its beginning on; a lost connection is taken up where it broke off, and told of. */
  async watch(threadId: string, hear: (event: RunEvent) => void, connected: (is: boolean) => void, stop: AbortSignal): Promise<void> {
    let last: string | undefined
    let wait = FIRST_WAIT_MS
    while (!stop.aborted) {
      try {
        for await (const event of this.#stream(threadId, last, stop)) {
          connected(true)
          wait = FIRST_WAIT_MS
          if (event === undefined) continue
          last = event.id
          hear(event)
        }
      } catch (error) {
        if (error instanceof Refused && error.status < 500 && error.status !== 404) throw error
      }
      if (stop.aborted) return
      connected(false)
      await again(wait * (0.5 + Math.random() / 2), stop)
      wait = Math.min(wait * 2, LONGEST_WAIT_MS)
    }
  }

  /** Events, and `undefined` for each sign of life. */
  async *#stream(threadId: string, last: string | undefined, stop: AbortSignal): AsyncGenerator<RunEvent | undefined> {
    const silent = new AbortController()
    let timer = setTimeout(() => silent.abort(), SILENT_MS)
    try {
      const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last }
      const signal = AbortSignal.any([stop, silent.signal])
      const { body } = await request(this.#thread(threadId, 'events'), this.#token, { headers, signal })
      if (body === null) return
      yield undefined
      const alive = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          clearTimeout(timer)
          timer = setTimeout(() => silent.abort(), SILENT_MS)
          controller.enqueue(chunk)
        },
      })
      const events = body
        .pipeThrough(alive)
        .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>) // oxlint-disable-line typescript/no-unsafe-type-assertion -- lib.dom has it of BufferSource
        .pipeThrough(new EventSourceParserStream())
      for await (const { data } of events) yield JSON.parse(data)
    } finally {
      clearTimeout(timer)
    }
  }

  get #user(): string {
    return `${encodeURIComponent(this.me.clientId)}/${encodeURIComponent(this.me.userId)}`
  }

  get #project(): string {
    return `projectId=${encodeURIComponent(this.me.projectId)}`
  }

  #thread = (threadId: string, verb: string): string => `/api/threads/${this.#user}/${encodeURIComponent(threadId)}/${verb}?${this.#project}`

  async #get<Answer>(path: string): Promise<Answer> {
    return json(await request(path, this.#token))
  }

  #post(path: string, body: object): Promise<Response> {
    return request(path, this.#token, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }
}

async function request(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (token !== '') headers.set('authorization', `Bearer ${token}`)
  const answer = await fetch(path, { ...init, headers })
  if (answer.ok) return answer
  const { detail = `The service answered ${answer.status}.` } = await answer.json().catch(() => ({}))
  throw new Refused(answer.status, String(detail))
}

const json = async <Answer>(answer: Response): Promise<Answer> => answer.json()

/** After a while, or as soon as the browser is online again. */
function again(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer)
      removeEventListener('online', go)
      stop.removeEventListener('abort', go)
      resolve()
    }
    const timer = setTimeout(go, ms)
    addEventListener('online', go)
    stop.addEventListener('abort', go)
  })
}
