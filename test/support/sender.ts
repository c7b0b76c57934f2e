import type { Result } from '../../src/command/result.ts'
import type { Sent } from '../faults/checker.ts'

const DEADLINE_MS = 120_000
const PAUSE_MS = 40
const ATTEMPT_MS = 20_000

export interface Message {
  readonly userId: string
  readonly threadId: string
  readonly commandId: string
  readonly instruction: string
  /** What it asks to be written. */
  readonly file?: Sent['file']
  readonly [field: string]: unknown
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS))

/** A client as the promises want it: it sends a message again, under the same id, until it is acknowledged, whatever happens to the service. */
export class Sender {
  readonly sent = new Map<string, Sent>()
  readonly #messages = new Map<string, { readonly path: string; readonly body: object }>()
  readonly #url: () => string

  constructor(url: () => string) {
    this.#url = url
  }

  /** Resolves when the service has acknowledged it. */
  async send({ file, ...message }: Message): Promise<void> {
    await this.#post(message.commandId, '/api/execute', { clientId: 'acme', wait: false, ...message }, file)
  }

  /** Undo, or another verb of a thread. */
  async verb({ userId, threadId, commandId }: Pick<Message, 'userId' | 'threadId' | 'commandId'>, verb: string, file?: Sent['file']): Promise<void> {
    await this.#post(commandId, `/api/threads/acme/${userId}/${threadId}/${verb}`, { ...file, commandId, wait: false }, file)
  }

  /** Delivers a message again that was sent before. */
  async again(commandId: string): Promise<void> {
    const message = this.#messages.get(commandId)
    if (message !== undefined) await this.#post(commandId, message.path, message.body)
  }

  /** The result, when there is one. */
  async result(commandId: string): Promise<Result> {
    const path = `/api/commands/${encodeURIComponent(commandId)}?clientId=acme`
    for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await pause()) {
      const body = await this.#json('GET', path).catch(() => undefined)
      const sent = this.sent.get(commandId)
      if (body?.result === undefined) continue
      sent?.results.push(body.result)
      return body.result
    }
    throw new Error(`no result of ${commandId} in time`)
  }

  async settled(): Promise<void> {
    for (const { commandId } of this.sent.values()) await this.result(commandId)
  }

  /** Waits until a command has got as far as `state`, or further. */
  async begun(commandId: string): Promise<void> {
    for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await pause()) {
      const body = await this.#json('GET', `/api/commands/${encodeURIComponent(commandId)}?clientId=acme`).catch(() => undefined)
      if (body?.state !== undefined && body.state !== 'queued') return
    }
    throw new Error(`${commandId} has not begun in time`)
  }

  async #post(commandId: string, path: string, body: object, file?: Sent['file']): Promise<void> {
    this.#messages.set(commandId, { path, body })
    const known: Sent = this.sent.get(commandId) ?? { commandId, accepted: false, results: [], ...(file === undefined ? {} : { file }) }
    this.sent.set(commandId, known)
    for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await pause()) {
      const answer = await this.#json('POST', path, body).catch(() => undefined)
      if (answer === undefined) continue
      if (answer.status >= 500) continue
      if (answer.success === false && answer.result === undefined) throw new Error(`${commandId} was refused: ${JSON.stringify(answer)}`)
      known.accepted = true
      if (answer.result !== undefined) known.results.push(answer.result)
      return
    }
    throw new Error(`${commandId} was not accepted in time`)
  }

  async #json(method: string, path: string, body?: object): Promise<any> {
    const answer = await fetch(`${this.#url()}${path}`, {
      method,
      signal: AbortSignal.timeout(ATTEMPT_MS),
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const parsed: any = await answer.json()
    return answer.status >= 500 ? { ...parsed, status: answer.status } : parsed
  }
}
