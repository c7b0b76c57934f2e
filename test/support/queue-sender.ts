import { connect, type QueueClient, type QueueMessage, type Result } from '../../src/client.ts'
import type { Sent } from '../faults/checker.ts'
import type { Message } from './sender.ts'

const DEADLINE_MS = 180_000
const PAUSE_MS = 100

/** The same as `Sender` by the queues of one container; what a verb of HTTP would do, a commit does here. */
export class QueueSender implements AsyncDisposable {
  readonly sent = new Map<string, Sent>()
  readonly #messages = new Map<string, QueueMessage>()
  readonly #client: QueueClient

  private constructor(client: QueueClient) {
    this.#client = client
  }

  static async open(options: { readonly table: string; readonly clientId: string; readonly projectId: string; readonly userId: string }): Promise<QueueSender> {
    const results = (result: Result): void => void sender.sent.get(result.commandId)?.results.push(result)
    const sender: QueueSender = new QueueSender(await connect({ ...options, onResult: results }))
    return sender
  }

  async send({ file, userId: _user, ...message }: Message): Promise<void> {
    await this.#post({ ...message, type: 'edit', ...message } as QueueMessage, file)
  }

  async verb({ threadId, commandId }: Pick<Message, 'threadId' | 'commandId'>): Promise<void> {
    await this.#post({ threadId, commandId, type: 'commit', instruction: 'in the place of an undo' })
  }

  async again(commandId: string): Promise<void> {
    const message = this.#messages.get(commandId)
    if (message !== undefined) await this.#client.post(message)
  }

  async settled(): Promise<void> {
    const end = Date.now() + DEADLINE_MS
    for (const { commandId, results } of this.sent.values()) {
      while (results.length === 0) {
        if (Date.now() > end) throw new Error(`no result of ${commandId} in time`)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]()
  }

  async #post(message: QueueMessage, file?: Sent['file']): Promise<void> {
    const { commandId = '' } = message
    this.#messages.set(commandId, message)
    const sent: Sent = this.sent.get(commandId) ?? { commandId, accepted: false, results: [], ...(file === undefined ? {} : { file }) }
    this.sent.set(commandId, sent)
    await this.#client.post(message)
    sent.accepted = true
  }
}
