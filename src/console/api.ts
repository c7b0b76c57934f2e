import { EventSourceParserStream } from 'eventsource-parser/stream'
import type * as z from 'zod'
import type { RunEvent } from '../command/event.ts'
import type * as answers from '../ways/http/answers.ts'
import type { Attachment } from '../command/command.ts'
import { chosenProject } from './project.ts'
import { blobOf, inWords, json, Refused, request } from './request.ts'
import type { Checkpoints, Costs, Diff, Me, Status, ThreadSummary } from './answers.ts'

export interface FileContent {
  /** What git calls it, by its content. */
  readonly blob: string | undefined
  readonly content: ArrayBuffer
}

/** Somebody who watches the same thread. */
export interface Present {
  readonly name: string
  readonly role: Me['role']
}

export type Delivery = 'interrupt' | 'queue' | 'steer'

export interface Wish {
  readonly instruction: string
  readonly delivery: Delivery
  readonly mode: 'execute' | 'plan'
  readonly attachments: readonly Attachment[]
  readonly repoUrl?: string | undefined
}

interface Presence {
  readonly type: 'presence'
  readonly people: readonly Present[]
}

interface Watching {
  readonly hear: (events: readonly RunEvent[]) => void
  readonly connected: (is: boolean) => void
  readonly present: (people: readonly Present[]) => void
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 10_000
/** The service says every fifteen seconds that it is there. */
const SILENT_MS = 40_000
/** Events that arrive together are shown together: more often nobody sees it. */
const TOGETHER_MS = 16

/** The HTTP API of the service, for one workspace. */
export class Api {
  readonly #token: string
  readonly me: Me

  readonly #signedOut: () => void

  private constructor(token: string, me: Me, signedOut: () => void) {
    this.#token = token
    this.me = me
    this.#signedOut = signedOut
  }

  /**
   * @param signedOut is told when the service does not know the token any more
   * @throws Refused, 401 where the token is not known
   */
  static async signIn(token: string, signedOut: () => void): Promise<Api> {
    const project = token.startsWith('link.') ? undefined : chosenProject()
    return new Api(
      token,
      await json<Me>(await request(`/api/whoami${project === undefined ? '' : `?projectId=${encodeURIComponent(project)}`}`, token)),
      signedOut,
    )
  }

  /** Whether more may be done than to look. */
  get works(): boolean {
    return this.me.role !== 'view'
  }

  /** What the workspace works on by now. */
  async repository(): Promise<Me['repository']> {
    return (await this.#get<Me>(`/api/whoami?${this.#project}`)).repository
  }

  /** Enters the key of the model, for good. */
  async enterKey(key: string): Promise<void> {
    await this.#post('/api/model-key', { key })
  }

  async forgetKey(): Promise<void> {
    await this.#request('/api/model-key', { method: 'DELETE' })
  }

  async threads(): Promise<readonly ThreadSummary[]> {
    return (await this.#get<{ readonly threads: readonly ThreadSummary[] }>(`/api/threads/${this.#user}?limit=200&${this.#project}`)).threads
  }

  status(threadId: string): Promise<Status> {
    return this.#get(`/api/status/${this.#user}/${encodeURIComponent(threadId)}?${this.#project}`)
  }

  /** What the thread has changed, or what lies between two of its checkpoints. */
  diff(threadId: string, between: { readonly from?: string | undefined; readonly to?: string | undefined } = {}): Promise<Diff> {
    const query = Object.entries(between).flatMap(([name, value]) => (value === undefined ? [] : [`&${name}=${encodeURIComponent(value)}`]))
    return this.#get(`${this.#thread(threadId, 'diff')}${query.join('')}`)
  }

  async files(threadId: string): Promise<readonly string[]> {
    const { files } = await this.#get<{ readonly files: readonly { readonly path: string }[] }>(this.#thread(threadId, 'files'))
    return files.map(({ path }) => path)
  }

  /** @param at the commit; by default the last one */
  async file(threadId: string, path: string, at?: string): Promise<FileContent> {
    const answer = await this.#request(`${this.#thread(threadId, 'files')}&path=${encodeURIComponent(path)}${at === undefined ? '' : `&at=${at}`}`)
    return { blob: blobOf(answer), content: await answer.arrayBuffer() }
  }

  /** Puts a text in place of a file, as a commit. Answers what the file is now. @throws Refused where it is not any more what it was */
  async write(threadId: string, path: string, content: string, base: string | undefined): Promise<string | undefined> {
    const answer = await this.#post(this.#thread(threadId, 'files'), { path, content, ...(base === undefined ? {} : { base }), wait: true })
    const { success, error = '', result } = await json<z.infer<typeof answers.Executed>>(answer)
    if (!success) throw new Refused(409, inWords(error))
    if (answer.status !== 200) throw new Refused(503, 'The service is stopping. What you have written is done when it is there again.')
    return (await this.file(threadId, path, result.commit)).blob
  }

  /** A link for somebody else. */
  async share(threadId: string, to: { readonly role: 'view' | 'work'; readonly name?: string; readonly minutes: number }): Promise<string> {
    return (await json<{ readonly url: string }>(await this.#post(this.#thread(threadId, 'share'), to))).url
  }

  checkpoints(threadId: string): Promise<Checkpoints> {
    return this.#get(this.#thread(threadId, 'checkpoints'))
  }

  costs(): Promise<Costs> {
    return this.#get(`/api/costs/${this.#user}?days=31`)
  }

  /** Hands a message in; recorded when it returns. Handed in again under the same id it is the same message. */
  async send(threadId: string, commandId: string, { repoUrl, ...wish }: Wish): Promise<void> {
    const { clientId, userId, projectId } = this.me
    await this.#post('/api/execute', { clientId, userId, projectId, threadId, commandId, ...wish, ...(repoUrl === undefined ? {} : { repoUrl }), wait: false })
  }

  /** Takes a message back that waits. Answers its text. */
  async withdraw(commandId: string): Promise<string> {
    const answer = await this.#request(this.#command(commandId), { method: 'DELETE' })
    return (await json<{ readonly instruction: string }>(answer)).instruction
  }

  /** The message that waits next interrupts what runs. */
  async hurry(commandId: string): Promise<void> {
    await this.#request(this.#command(commandId, '/now'), { method: 'POST' })
  }

  async act(threadId: string, verb: 'interrupt' | 'undo' | 'push' | 'preview/start' | 'preview/restart'): Promise<void> {
    await this.#post(this.#thread(threadId, verb), verb === 'undo' || verb === 'push' ? { wait: false } : {})
  }

  async restore(threadId: string, checkpoint: string): Promise<void> {
    await this.#post(this.#thread(threadId, 'restore'), { checkpoint, wait: false })
  }

  /** Pushes the thread and opens its pull request, or finds it. Answers its address. */
  async pullRequest(threadId: string): Promise<string> {
    return (await json<{ readonly pullRequestUrl: string }>(await this.#post(this.#thread(threadId, 'pull-request'), {}))).pullRequestUrl
  }

  /** A way into the preview that holds for a while, where it is not open to everybody who reaches it. */
  async previewLink(threadId: string): Promise<string> {
    return (await json<{ readonly url: string }>(await this.#post(this.#thread(threadId, 'preview/link'), {}))).url
  }

  /** A picture, as an address that this page alone knows. */
  async picture(path: string): Promise<string> {
    return URL.createObjectURL(await (await this.#request(path)).blob())
  }

  /**
   * What happens in a thread, from its beginning on, as much at once as has come; a lost connection is taken up where it broke off, and
   * told of.
   */
  async watch(threadId: string, { hear, connected, present }: Watching, stop: AbortSignal): Promise<void> {
    const heard: RunEvent[] = []
    const tell = (): void => hear(heard.splice(0))
    let last: string | undefined
    let wait = FIRST_WAIT_MS
    while (!stop.aborted) {
      try {
        for await (const event of this.#stream(threadId, last, stop)) {
          connected(true)
          wait = FIRST_WAIT_MS
          if (event === undefined || stop.aborted) continue
          if (event.type === 'presence') {
            present(event.people)
            continue
          }
          last = event.id
          if (heard.push(event) === 1) setTimeout(tell, TOGETHER_MS)
        }
      } catch (error) {
        if (error instanceof Refused && error.status < 500) throw error
      }
      if (stop.aborted) return
      connected(false)
      await again(wait * (0.5 + Math.random() / 2), stop)
      wait = Math.min(wait * 2, LONGEST_WAIT_MS)
    }
  }

  /** Events, and `undefined` for each sign of life. */
  async *#stream(threadId: string, last: string | undefined, stop: AbortSignal): AsyncGenerator<RunEvent | Presence | undefined> {
    const silent = new AbortController()
    let timer = setTimeout(() => silent.abort(), SILENT_MS)
    try {
      const headers: Record<string, string> = last === undefined ? {} : { 'last-event-id': last }
      const signal = AbortSignal.any([stop, silent.signal])
      const { body } = await this.#request(`${this.#thread(threadId, 'events')}&presence=true`, { headers, signal })
      if (body === null) return
      yield undefined
      const decoder = new TextDecoder()
      const text = new TransformStream<Uint8Array, string>({
        transform: (chunk, controller) => {
          clearTimeout(timer)
          timer = setTimeout(() => silent.abort(), SILENT_MS)
          controller.enqueue(decoder.decode(chunk, { stream: true }))
        },
      })
      for await (const { data } of body.pipeThrough(text).pipeThrough(new EventSourceParserStream())) yield JSON.parse(data)
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

  #command(commandId: string, verb = ''): string {
    const { clientId, userId, projectId } = this.me
    return `/api/commands/${encodeURIComponent(commandId)}${verb}?${new URLSearchParams({ clientId, userId, projectId }).toString()}`
  }

  async #request(path: string, init?: RequestInit): Promise<Response> {
    try {
      return await request(path, this.#token, init)
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.#signedOut()
      throw error
    }
  }

  async #get<Answer>(path: string): Promise<Answer> {
    return json(await this.#request(path))
  }

  #post(path: string, body: object): Promise<Response> {
    return this.#request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }
}

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
