import { failpoint } from '../observe/failpoint.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { threadKey } from '../command/ids.ts'
import type { Delivery, Journal, Way } from '../journal/journal.ts'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'

/** Hands a result to a way; resolves when it has arrived. */
export type Deliver = (delivery: Delivery) => Promise<void>

const BATCH = 100
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
/** How often the outbox is looked at without being rung. */
const LOOK_MS = 5000

/** Results on their way out, until each has arrived: tried again for ever, 1 s to 60 s apart, first in first out for each thread. */
export class Outbox implements AsyncDisposable {
  readonly #journal: Journal
  readonly #ways: Readonly<Record<Way, Deliver>>
  readonly #log: Log
  readonly #stop = new AbortController()
  #ring = new AbortController()
  #working: Promise<void> | undefined

  constructor(journal: Journal, ways: Readonly<Record<Way, Deliver>>, log: Log) {
    this.#journal = journal
    this.#ways = ways
    this.#log = log
  }

  start(): void {
    this.#working ??= this.#work()
  }

  /** Something has been put in. */
  ring(): void {
    this.#ring.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#ring.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#ring = new AbortController()
      const delivered = await this.#round().catch((error: unknown) => {
        this.#log.error({ event: 'outbox.failed', error: messageOf(error) })
        return 0
      })
      if (delivered < BATCH) await delay(LOOK_MS, undefined, { signal: AbortSignal.any([this.#stop.signal, this.#ring.signal]) }).catch(() => {}) // rung, or stopped
    }
    await this.#round().catch(() => {}) // what is left is delivered by the next service
  }

  async #round(): Promise<number> {
    const due = await this.#journal.outboxDue(Date.now(), BATCH)
    const lines = Map.groupBy(due, ({ way, workspace, threadId }) => `${way} ${threadKey({ ...workspace, threadId })}`)
    await Promise.all([...lines.values()].map((line) => this.#sendInOrder(line)))
    return due.length
  }

  /** One thread's results, one after the other; what cannot be delivered holds up those behind it. */
  async #sendInOrder(line: readonly Delivery[]): Promise<void> {
    for (const delivery of line) if (!(await this.#send(delivery))) return
  }

  async #send(delivery: Delivery): Promise<boolean> {
    try {
      await this.#ways[delivery.way](delivery)
      await failpoint('result.delivered')
      await this.#journal.outboxSent(delivery.eventId)
      await failpoint('result.sent')
      return true
    } catch (error) {
      const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(delivery.tries, 10)) * (0.5 + Math.random() / 2)
      this.#log.warn({ event: 'result.undelivered', commandId: delivery.result.commandId, tries: delivery.tries + 1, error: messageOf(error) })
      await this.#journal.outboxRefused(delivery.eventId, Date.now() + Math.round(wait))
      return false
    }
  }
}
