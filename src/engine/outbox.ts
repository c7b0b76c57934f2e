import { backOff } from '../observe/back-off.ts'
import { failpoint } from '../observe/failpoint.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { threadKey } from '../command/ids.ts'
import type { Delivery, Journal, Way } from '../journal/journal.ts'
import type { Log } from '../observe/log.ts'
import { Looking } from '../observe/looking.ts'
import { messageOf } from '../observe/text.ts'

/** Hands a result to a way; resolves when it has arrived. */
export type Deliver = (delivery: Delivery) => Promise<void>

/** Looked at in one go; what is being sent is among them. */
const BATCH = 1000
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000
/** How often the outbox is looked at without being rung. */
const LOOK_MS = 5000
/** What a result may still take when the service stops; it is kept for the next one. */
const LAST_MS = 8000

/**
 * Results on their way out, until each has arrived: tried again for ever, 1 s to 60 s apart, first in first out for each thread. A thread
 * whose results take long holds up no other.
 */
export class Outbox implements AsyncDisposable {
  readonly #journal: Journal
  readonly #ways: Readonly<Record<Way, Deliver>>
  readonly #log: Log
  readonly #lines = new Map<string, Promise<void>>()
  readonly #looking = new Looking(
    () => this.#look(),
    LOOK_MS,
    (error) => this.#log.error({ event: 'outbox.failed', error: messageOf(error) }),
  )

  constructor(journal: Journal, ways: Readonly<Record<Way, Deliver>>, log: Log) {
    this.#journal = journal
    this.#ways = ways
    this.#log = log
  }

  start(): void {
    this.#looking.start()
  }

  /** Something has been put in. */
  ring(): void {
    this.#looking.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking[Symbol.asyncDispose]()
    const last = new AbortController()
    const over = delay(LAST_MS, undefined, { signal: last.signal }).catch(() => {}) // all have arrived
    await Promise.race([over, Promise.all(this.#lines.values())])
    await this.#look().catch(() => {}) // what is left is delivered by the next service
    await Promise.race([over, Promise.all(this.#lines.values())])
    last.abort()
  }

  async #look(): Promise<void> {
    const due = await this.#journal.outboxDue(Date.now(), BATCH)
    for (const [key, line] of Map.groupBy(due, ({ way, workspace, threadId }) => `${way} ${threadKey({ ...workspace, threadId })}`)) {
      if (this.#lines.has(key)) continue
      this.#lines.set(key, this.#sendLine(key, line))
    }
  }

  async #sendLine(key: string, line: readonly Delivery[]): Promise<void> {
    let arrived = false
    try {
      arrived = await this.#sendInOrder(line)
    } catch (error) {
      this.#log.error({ event: 'outbox.failed', error: messageOf(error) })
    } finally {
      this.#lines.delete(key)
    }
    if (arrived) this.ring() // more may have come behind it
  }

  /** One thread's results, one after the other; what cannot be delivered holds up those behind it. */
  async #sendInOrder(line: readonly Delivery[]): Promise<boolean> {
    for (const delivery of line) if (!(await this.#send(delivery))) return false
    return true
  }

  async #send(delivery: Delivery): Promise<boolean> {
    try {
      await this.#ways[delivery.way](delivery)
      await failpoint('result.delivered')
      await this.#journal.outboxSent(delivery.eventId)
      await failpoint('result.sent')
      return true
    } catch (error) {
      const wait = backOff(delivery.tries, FIRST_RETRY_MS, LONGEST_RETRY_MS)
      this.#log.warn({ event: 'result.undelivered', commandId: delivery.result.commandId, tries: delivery.tries + 1, error: messageOf(error) })
      await this.#journal.outboxRefused(delivery.eventId, Date.now() + wait)
      return false
    }
  }
}
