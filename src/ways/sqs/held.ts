import { ChangeMessageVisibilityCommand, DeleteMessageCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { commandKey, type CommandRef } from '../../journal/journal.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'

interface Message {
  readonly url: string
  readonly id: string
  readonly receiptHandle: string
  readonly body: string
}

const VISIBLE_AFTER_SECONDS = 120
const EXTEND_MS = 40_000
/** A message can be kept for 12 hours from its first receipt (SQS); before that it is sent anew, under the same command id. */
const SEND_ANEW_MS = 11 * 60 * 60_000

/** Messages that stay in their queue, unseen by others, until the result of their command has been sent (`QUEUE_ACK=result`). */
export class Held implements AsyncDisposable {
  readonly #client: SQSClient
  readonly #log: Log
  readonly #messages = new Map<string, Map<string, Message & { readonly since: number }>>()
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()

  constructor(client: SQSClient, log: Log) {
    this.#client = client
    this.#log = log
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#working = this.#working.then(() => this.#keepAll())
    }, EXTEND_MS)
  }

  /** The same message again, received anew, takes the place of what was held of it. */
  hold(of: CommandRef, message: Message): void {
    const known = this.#messages.get(commandKey(of)) ?? new Map()
    this.#messages.set(commandKey(of), known.set(`${message.url} ${message.id}`, { ...message, since: performance.now() }))
    void this.#extend(message)
  }

  /** Its result has been sent. */
  async release(of: CommandRef): Promise<void> {
    const messages = [...(this.#messages.get(commandKey(of))?.values() ?? [])]
    this.#messages.delete(commandKey(of))
    for (const message of messages) await this.#delete(message)
  }

  /** Gives back at once what is held still, for whoever goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#working
    const rest = [...this.#messages.values()].flatMap((each) => [...each.values()])
    this.#messages.clear()
    await Promise.all(rest.map((message) => this.#visibleAfter(message, 0)))
  }

  async #keepAll(): Promise<void> {
    for (const messages of this.#messages.values()) {
      for (const [key, message] of messages) {
        if (performance.now() - message.since < SEND_ANEW_MS) await this.#extend(message)
        else if (await this.#sendAnew(message)) messages.delete(key)
      }
    }
  }

  /** That it fails is no loss: should another service get the message, it finds the command in the journal. */
  #extend = (message: Message): Promise<void> => this.#visibleAfter(message, VISIBLE_AFTER_SECONDS)

  async #visibleAfter({ url, receiptHandle }: Message, seconds: number): Promise<void> {
    const change = new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: seconds })
    await this.#client.send(change).catch((error: unknown) => this.#log.warn({ event: 'message.not_extended', queue: url, error: messageOf(error) }))
  }

  async #sendAnew(message: Message): Promise<boolean> {
    try {
      await this.#client.send(new SendMessageCommand({ QueueUrl: message.url, MessageBody: message.body, DelaySeconds: 60 }))
    } catch (error) {
      this.#log.warn({ event: 'message.not_sent_anew', queue: message.url, error: messageOf(error) })
      return false
    }
    await this.#delete(message)
    return true
  }

  async #delete({ url, receiptHandle }: Message): Promise<void> {
    await this.#client
      .send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle }))
      .catch((error: unknown) => this.#log.warn({ event: 'message.not_deleted', queue: url, error: messageOf(error) })) // it comes again, as a duplicate
  }
}
