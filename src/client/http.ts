import type { RunEvent } from '../command/event.ts'
import type { Result } from '../command/result.ts'

export interface HttpOptions {
  /** Where the service is, such as `http://127.0.0.1:8080`. */
  readonly url: string
  readonly token?: string | undefined
}

/** A message to a thread. */
export interface Message {
  readonly clientId?: string | undefined
  readonly userId?: string | undefined
  readonly projectId?: string | undefined
  readonly threadId?: string | undefined
  readonly instruction: string
  /** Who asks for it; recorded in the commit. */
  readonly userEmail?: string | undefined
  readonly type?: 'edit' | 'build' | 'commit' | 'push' | 'preview' | undefined
  readonly mode?: 'execute' | 'plan' | undefined
  readonly delivery?: 'interrupt' | 'queue' | 'steer' | undefined
  readonly onRateLimit?: 'wait' | 'fail' | undefined
  readonly maxCostUsd?: number | undefined
  /** `data` is base64. */
  readonly attachments?: readonly { readonly name: string; readonly mediaType: string; readonly data: string }[] | undefined
  readonly commandId?: string | undefined
  readonly repoUrl?: string | undefined
}

export interface ThreadSummary {
  readonly threadId: string
  readonly branch: string
  readonly lastActiveAt: string
  readonly costUsd: number
  readonly state: string
}

export interface DeadLetter {
  readonly n: number
  readonly at: string
  readonly reason: string
  readonly source?: string
  readonly threadId?: string
  readonly commandId?: string
  readonly body: string
}

/** How often a result is asked for. */
const POLL_MS = 250

/** The GitHub App of a service, as far as it may be shown. */
export interface AppConfig {
  readonly configured: boolean
  readonly appId?: string
  readonly installationId?: number
  readonly privateKey?: { readonly fingerprint: string }
  readonly webhookSecrets: number
  /** What the app is called in mentions. */
  readonly slug?: string
  /** Why GitHub does not know us as this app. */
  readonly problem?: string
}

/** The service did not accept a request; the message is what it said. */
export class ServiceSaid extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.name = 'ServiceSaid'
    this.status = status
  }
}

/** Talks to a Branchline service: the chat or mail front end's side of the HTTP API. */
export class Client {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor({ url, token }: HttpOptions) {
    this.#url = url.replace(/\/$/, '')
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** Hands a message in and waits for its result. Sent twice with one `commandId` it gives one result. @throws ServiceSaid */
  async send(message: Message): Promise<Result> {
    const commandId = await this.post({ ...message, commandId: message.commandId ?? crypto.randomUUID() })
    // One open request would be cut by clients and proxies that give up after some minutes; a run may take an hour.
    for (;;) {
      const { result } = await this.command(commandId, message)
      if (result !== undefined) return result
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** Hands a message in without waiting; answers its id. @throws ServiceSaid */
  async post(message: Message): Promise<string> {
    const answer = await this.#call<{ commandId?: string; result?: Result }>('POST', '/api/execute', { ...message, wait: false })
    return answer.commandId ?? answer.result?.commandId ?? ''
  }

  /** State of a command, with its result when it has one. @throws ServiceSaid */
  async command(commandId: string, of: Pick<Message, 'clientId' | 'userId' | 'projectId'> = {}): Promise<{ readonly state: string; readonly result?: Result }> {
    const scope = { clientId: of.clientId, userId: of.userId, projectId: of.projectId }
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(scope)) if (value !== undefined) query.set(name, value)
    return this.#call('GET', `/api/commands/${encodeURIComponent(commandId)}?${query.toString()}`)
  }

  /** Threads of a workspace, newest activity first. @throws ServiceSaid */
  async threads(
    clientId: string,
    userId: string,
    projectId?: string,
    after = 0,
  ): Promise<{ readonly threads: readonly ThreadSummary[]; readonly next?: number }> {
    return this.#call(
      'GET',
      `/api/threads/${encodeURIComponent(clientId)}/${encodeURIComponent(userId)}?after=${after}${projectId === undefined ? '' : `&projectId=${encodeURIComponent(projectId)}`}`,
    )
  }

  /** Messages that could not be taken or carried out, oldest first, as far as no queue has them. @throws ServiceSaid */
  async deadLetters(): Promise<readonly DeadLetter[]> {
    const all: DeadLetter[] = []
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: { readonly deadLetters: readonly DeadLetter[]; readonly next?: number } = await this.#call('GET', `/api/dead-letters?after=${after}`)
      all.push(...page.deadLetters)
      after = page.next
    }
    return all
  }

  /** Hands one of them in again; answers its new id. @throws ServiceSaid */
  async retryDeadLetter(n: number): Promise<string> {
    return (await this.#call<{ commandId: string }>('POST', `/api/dead-letters/${n}/retry`, {})).commandId
  }

  /** What is known of the GitHub App; never a secret. @throws ServiceSaid */
  async config(): Promise<AppConfig> {
    return this.#call('GET', '/config')
  }

  /** Keeps what is given of the GitHub App; the rest stays. @throws ServiceSaid */
  async setConfig(fields: object): Promise<AppConfig> {
    return this.#call('POST', '/config', fields)
  }

  async clearConfig(): Promise<AppConfig> {
    return this.#call('DELETE', '/config')
  }

  /** What happens in a thread from `lastEventId` on; comes back by itself where the connection is lost. */
  async *events(
    of: { readonly clientId: string; readonly userId: string; readonly threadId: string; readonly projectId?: string | undefined },
    stop: AbortSignal,
    lastEventId?: string,
  ): AsyncGenerator<RunEvent, void> {
    const path = `/api/threads/${[of.clientId, of.userId, of.threadId].map(encodeURIComponent).join('/')}/events${of.projectId === undefined ? '' : `?projectId=${encodeURIComponent(of.projectId)}`}`
    let last = lastEventId
    while (!stop.aborted) {
      try {
        const answer = await fetch(this.#url + path, { signal: stop, headers: { ...this.#headers, ...(last === undefined ? {} : { 'last-event-id': last }) } })
        if (!answer.ok || answer.body === null) throw new ServiceSaid(answer.status, `the events answered ${answer.status}`)
        for await (const event of eventsIn(answer.body)) {
          last = event.id
          yield event
        }
      } catch (error) {
        if (stop.aborted) return
        if (error instanceof ServiceSaid && error.status < 500) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }

  async #call<Answer>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Answer> {
    const answer = await fetch(this.#url + path, {
      method,
      headers: { ...this.#headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const content = JSON.parse(await answer.text())
    if (!answer.ok) throw new ServiceSaid(answer.status, content.error ?? `the service answered ${answer.status}`)
    return content
  }
}

async function* eventsIn(body: ReadableStream<Uint8Array>): AsyncGenerator<RunEvent, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const messages = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = messages.pop() ?? ''
    for (const message of messages) {
      const data = /^data: (.*)$/m.exec(message)?.[1]
      if (data !== undefined) yield JSON.parse(data)
    }
  }
}
