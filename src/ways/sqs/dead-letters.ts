import { setTimeout as delay } from 'node:timers/promises'
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { BuriedLetter, Journal } from '../../journal/journal.ts'
import { isFifo, isRefusal } from '../../queues/aws.ts'
import { fitForSqs } from '../../queues/text.ts'
import { redriveTarget } from '../../queues/dead-letter-queue.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf, printable } from '../../observe/text.ts'

/** How often all letters are looked at without being rung for. */
const LOOK_MS = 10 * 60_000
const RETRY_MS = 30_000
/** How long the redrive target of a queue is taken for known. */
const KNOWN_MS = 60_000
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
  /** Those that their queue has refused. */
  readonly #refused = new Set<number>()
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
    if (known !== undefined && performance.now() - known.at < KNOWN_MS) return known.url
    const url = await redriveTarget(this.#client, source).catch((error: unknown) => {
      if (isRefusal(error)) return undefined // the queue is gone, or may not be asked
      throw error
    })
    this.#targets.set(source, { url, at: performance.now() })
    return url
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#ring.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    for (let after = 0; !this.#stop.signal.aborted;) {
      this.#ring = new AbortController()
      const looked = await this.#round(after).catch((error: unknown) => this.#log.warn({ event: 'dead_letters.not_sent', error: messageOf(error) }))
      after = looked ?? after
      const rung = AbortSignal.any([this.#stop.signal, this.#ring.signal])
      await delay(looked === undefined ? RETRY_MS : LOOK_MS, undefined, { signal: rung }).catch(() => {}) // rung, or stopped
      if (rung.aborted) continue
      this.#refused.clear()
      after = 0 // there may be a queue for those of before by now
    }
  }

  /** Looks at the letters behind the one numbered `after`; answers the number of the last one. */
  async #round(after: number): Promise<number> {
    for (let last = after; ;) {
      const letters = await this.#journal.deadLetters({ limit: BATCH, after: last })
      for (const letter of letters) if (!this.#stop.signal.aborted) await this.#send(letter)
      last = letters.at(-1)?.n ?? last
      if (letters.length < BATCH) return last
    }
  }

  /** A letter that its queue refuses stays in the journal, and holds up no other. */
  async #send(letter: BuriedLetter): Promise<void> {
    const to = await this.queueFor(letter.source)
    if (to === undefined || this.#refused.has(letter.n)) return
    const text = (value: string | undefined) => {
      const fit = value === undefined ? '' : printable(this.#redact(value), MAX_REASON_CHARACTERS)
      return fit === '' ? [] : [{ DataType: 'String', StringValue: fit }]
    }
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
      MessageBody: fitForSqs(this.#redact(letter.body)) || '(empty)',
      MessageAttributes: Object.fromEntries(Object.entries(about).flatMap(([name, value]) => text(value).map((attribute) => [name, attribute] as const))),
      ...(isFifo(to) ? { MessageGroupId: id, MessageDeduplicationId: id } : {}), // a group of its own, so that each can be looked at
    })
    try {
      await this.#client.send(send)
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#refused.add(letter.n)
      this.#log.warn({ event: 'dead_letter.not_sent', queue: to, commandId: letter.commandId, error: messageOf(error) })
      return
    }
    await this.#journal.unbury(letter.n)
    this.#log.info({ event: 'dead_letter.sent', queue: to, commandId: letter.commandId, reason: letter.reason })
  }
}
