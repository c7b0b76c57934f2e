import { setTimeout as delay } from 'node:timers/promises'
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { BuriedLetter, Journal } from '../../journal/journal.ts'
import { isFifo } from '../../queues/aws.ts'
import { redriveTarget } from '../../queues/dead-letter-queue.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'

/** How often letters are looked at without being rung for, and how long the redrive target of a queue is taken for known. */
const LOOK_MS = 60_000
const BATCH = 100
const MAX_REASON_CHARACTERS = 2000

/** Takes dead letters from the journal to the queue for them, where there is one; else they stay. */
export class DeadLetters implements AsyncDisposable {
  readonly #client: SQSClient
  readonly #journal: Journal
  readonly #queue: string | undefined
  readonly #redact: (text: string) => string
  readonly #log: Log
  readonly #targets = new Map<string, { readonly url: string | undefined; readonly at: number }>()
  readonly #stop = new AbortController()
  #ring = new AbortController()
  #working: Promise<void> | undefined

  constructor(client: SQSClient, journal: Journal, { queue, redact, log }: { queue: string | undefined; redact: (text: string) => string; log: Log }) {
    this.#client = client
    this.#journal = journal
    this.#queue = queue
    this.#redact = redact
    this.#log = log
  }

  start(): void {
    this.#working ??= this.#work()
  }

  /** A letter has been buried. */
  ring(): void {
    this.#ring.abort()
  }

  /** Where dead letters of a queue go: the configured queue, or the redrive target of that one. */
  async queueFor(source: string | undefined): Promise<string | undefined> {
    if (this.#queue !== undefined || source === undefined) return this.#queue
    const known = this.#targets.get(source)
    if (known !== undefined && performance.now() - known.at < LOOK_MS) return known.url
    const url = await redriveTarget(this.#client, source)
    this.#targets.set(source, { url, at: performance.now() })
    return url
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#ring.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#ring = new AbortController()
      await this.#round().catch((error: unknown) => this.#log.warn({ event: 'dead_letters.not_sent', error: messageOf(error) }))
      await delay(LOOK_MS, undefined, { signal: AbortSignal.any([this.#stop.signal, this.#ring.signal]) }).catch(() => {}) // rung, or stopped
    }
  }

  async #round(): Promise<void> {
    let after = 0
    for (let letters = await this.#journal.deadLetters({ limit: BATCH }); letters.length > 0;) {
      for (const letter of letters) await this.#send(letter)
      after = letters.at(-1)?.n ?? after
      letters = await this.#journal.deadLetters({ limit: BATCH, after })
    }
  }

  async #send(letter: BuriedLetter): Promise<void> {
    const to = await this.queueFor(letter.source)
    if (to === undefined) return
    const text = (value: string | undefined) =>
      value === undefined || value === '' ? [] : [{ DataType: 'String', StringValue: this.#redact(value).slice(0, MAX_REASON_CHARACTERS) }]
    const about = {
      Reason: letter.reason,
      Source: letter.source,
      ThreadId: letter.threadId,
      CommandId: letter.commandId,
      At: new Date(letter.at).toISOString(),
    }
    const id = `letter-${letter.n}-${letter.at}`
    const send = new SendMessageCommand({
      QueueUrl: to,
      MessageBody: this.#redact(letter.body) || '(empty)',
      MessageAttributes: Object.fromEntries(Object.entries(about).flatMap(([name, value]) => text(value).map((attribute) => [name, attribute] as const))),
      ...(isFifo(to) ? { MessageGroupId: id, MessageDeduplicationId: id } : {}), // a group of its own, so that each can be looked at
    })
    await this.#client.send(send)
    await this.#journal.unbury(letter.n)
    this.#log.info({ event: 'dead_letter.sent', queue: to, commandId: letter.commandId, reason: letter.reason })
  }
}
