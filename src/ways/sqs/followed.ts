import { setTimeout as delay } from 'node:timers/promises'
import type { ThreadId } from '../../command/ids.ts'
import type { Entry } from '../../queues/entry.ts'
import { readEntries, type Rows } from '../../queues/table.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'
import type { Polling } from './poller.ts'

/** How the queues of many threads are listened to. */
export interface Following {
  readonly rows: Rows
  /** How often they are read. */
  readonly refreshMs: number
  /** AWS account that queues have to belong to. */
  readonly account: string | undefined
  /** Polls the queue of a thread, again and again for as long as that is wanted, or until it is told to stop. */
  readonly poll: (entry: Entry, until: Pick<Polling, 'wanted' | 'finishing'>, stop: AbortSignal) => Promise<void>
  /** Whether a message lies in it, which stays there. */
  readonly peek: (entry: Entry) => Promise<boolean>
  /** Asks it once, for a moment; answers how many messages there were. */
  readonly pollOnce: (entry: Entry, stop: AbortSignal) => Promise<number>
  readonly log: Log
}

/** A thread is polled all the time for so long after it was last heard of; most conversations that go on do so by then. */
const ACTIVE_MS = 15 * 60_000
/** Threads that are polled all the time: polls are paid for, and each holds a connection. */
const MOST_ACTIVE = 20
/** Between two readings that somebody rang for. */
const REFRESH_AGAIN_MS = 1000
/** Between two looks into queues that are not polled all the time. */
const SWEEP_MS = 3000
const LOOKED_INTO_AT_ONCE = 50

/** A poll that was broken off may have taken a message along, which is seen again when its visibility time is over: 30 s in most queues. */
const SECOND_LOOK_MS = 40_000

interface Followed {
  readonly entry: Entry
  heardAt: number
  /** Where it is polled; a poll that is under way is not broken off when it is not wanted any more, since it might take a message along. */
  polling: { wanted: boolean; heardAt: number; done: Promise<void> } | undefined
}

/**
 * The queues of a container's threads, found in a table and followed as they come, change and go. Those of threads that were heard of
 * lately are polled; any other is woken by the doorbell or a change of its row, and looked into now and then in case nobody rang.
 */
export class FollowedQueues implements AsyncDisposable {
  readonly #following: Following
  readonly #threads = new Map<ThreadId, Followed>()
  readonly #stop = new AbortController()
  readonly #finishing = new AbortController()
  readonly #passedOver = new Map<string, string>()
  readonly #polls = new Set<Promise<void>>()
  /** Rung for, and to be looked into. */
  readonly #rung = new Set<ThreadId>()
  #looking = 0
  #refreshing: Promise<void> | undefined
  #working: readonly Promise<void>[] = []
  #refreshedAt: number | undefined

  constructor(following: Following) {
    this.#following = following
  }

  /** Reads the table and looks into every queue once, so that what waited is found; then goes on by itself. @throws where the table cannot be read */
  async start(): Promise<void> {
    await this.#refresh()
    this.#working = [this.#refreshingAlways(), this.#firstLooks(), this.#sweeping()]
  }

  get count(): number {
    return this.#threads.size
  }

  get polled(): number {
    return [...this.#threads.values()].filter(({ polling }) => polling !== undefined).length
  }

  /** ms since the table was read. */
  get tableAgeMs(): number {
    return this.#refreshedAt === undefined ? Infinity : performance.now() - this.#refreshedAt
  }

  outputOf(threadId: ThreadId): string | undefined {
    return this.#threads.get(threadId)?.entry.outputQueueUrl
  }

  /** Somebody rang for a thread; one that is not known yet is looked for in the table. */
  async rung(threadId: ThreadId): Promise<void> {
    if (!this.#threads.has(threadId)) await (this.#refreshing ??= this.#refreshSoon())
    if (this.polled < MOST_ACTIVE || this.#threads.get(threadId)?.polling !== undefined) return this.heard(threadId)
    this.#rung.add(threadId) // so many at once that those before would be given up before they are heard
    if (this.#looking < LOOKED_INTO_AT_ONCE) this.#keep(this.#lookIntoRung())
  }

  async #lookIntoRung(): Promise<void> {
    this.#looking += 1
    for (const threadId of this.#rung) {
      this.#rung.delete(threadId)
      const followed = this.#threads.get(threadId)
      if (followed !== undefined) await this.#look([followed])
    }
    this.#looking -= 1
  }

  /** There is life in a thread. */
  heard(threadId: ThreadId): void {
    const followed = this.#threads.get(threadId)
    if (followed === undefined || this.#stop.signal.aborted || this.#finishing.signal.aborted) return
    followed.heardAt = performance.now()
    if (followed.polling === undefined) this.#begin(followed)
    else followed.polling.heardAt = followed.heardAt
    this.#trim()
  }

  /** Looks into every queue once more. Answers whether there was anything. */
  async lastLook(): Promise<boolean> {
    await this.#refresh()
    return (await this.#look([...this.#threads.values()])) > 0
  }

  /** Begins no poll any more; resolves when those that are under way have ended. */
  async finish(): Promise<void> {
    this.#finishing.abort()
    await Promise.allSettled(this.#polls)
  }

  /** Whether a message lies in any of the queues, of new threads too. @throws where that cannot be found out */
  async isAwaited(): Promise<boolean> {
    await this.#refresh()
    const left = [...this.#threads.values()]
    let awaited = false
    const one = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined && !awaited; next = left.pop()) if (await this.#following.peek(next.entry)) awaited = true
    }
    await Promise.all(Array.from({ length: LOOKED_INTO_AT_ONCE }, one))
    return awaited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([...this.#polls, ...this.#working])
  }

  /** Once a second at most, whoever rings for what. */
  async #refreshSoon(): Promise<void> {
    await delay(Math.max(0, REFRESH_AGAIN_MS - this.tableAgeMs), undefined, { signal: this.#stop.signal })
    this.#refreshing = undefined
    await this.#refresh()
  }

  async #refreshingAlways(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await delay(this.#following.refreshMs, undefined, { signal: this.#stop.signal }).catch(() => {}) // stopped
      if (this.#stop.signal.aborted) return
      await this.#refresh().catch((error: unknown) => this.#following.log.warn({ event: 'queues.not_read', error: messageOf(error) }))
      this.#trim()
    }
  }

  async #refresh(): Promise<void> {
    const entries = await readEntries(this.#following.rows, (threadId, why) => this.#passOver(threadId, why))
    this.#refreshedAt = performance.now()
    const inputs = new Set(entries.map(({ inputQueueUrl }) => inputQueueUrl))
    const listed = new Map(entries.filter((entry) => entry.state !== 'closed' && this.#isOurs(entry, inputs)).map((entry) => [entry.threadId, entry]))
    for (const [threadId, { polling }] of this.#threads) {
      if (listed.has(threadId)) continue
      if (polling !== undefined) polling.wanted = false
      this.#threads.delete(threadId)
      void (polling?.done ?? Promise.resolve()).then(() => this.#following.log.info({ event: 'queue.gone', threadId }))
    }
    for (const entry of listed.values()) this.#follow(entry)
  }

  #isOurs({ threadId, inputQueueUrl, outputQueueUrl }: Entry, inputs: ReadonlySet<string>): boolean {
    const { account } = this.#following
    if (inputs.has(outputQueueUrl)) {
      this.#passOver(threadId, 'its results would go to a queue that messages come from')
      return false
    }
    if (account === undefined) return true
    const ours = [inputQueueUrl, outputQueueUrl].every((url) => new URL(url).pathname.startsWith(`/${account}/`))
    if (!ours) this.#passOver(threadId, `its queues are not of account ${account}`)
    return ours
  }

  #passOver(threadId: string, why: string): void {
    if (this.#passedOver.get(threadId) === why) return
    this.#passedOver.set(threadId, why)
    this.#following.log.warn({ event: 'queue.passed_over', threadId, why })
  }

  #follow(entry: Entry): void {
    const known = this.#threads.get(entry.threadId)
    if (known === undefined) {
      const started = this.#working.length > 0
      this.#threads.set(entry.threadId, { entry, heardAt: -Infinity, polling: undefined })
      this.#following.log.info({ event: 'queue.found', threadId: entry.threadId })
      if (started) this.heard(entry.threadId)
      return
    }
    const [former, moved] = [known.entry, known.entry.inputQueueUrl !== entry.inputQueueUrl]
    if (moved && known.polling !== undefined) known.polling.wanted = false
    this.#threads.set(entry.threadId, { ...known, entry, polling: moved ? undefined : known.polling })
    if (moved || former.updatedAt !== entry.updatedAt) this.heard(entry.threadId)
  }

  #begin(followed: Followed): void {
    const polling = { wanted: true, heardAt: followed.heardAt, done: Promise.resolve() }
    followed.polling = polling
    // What it was heard of for may have come between two polls: it is asked once more for that.
    const wanted = (since: number): boolean => polling.wanted || polling.heardAt > since
    polling.done = this.#following.poll(followed.entry, { wanted, finishing: this.#finishing.signal }, this.#stop.signal)
    this.#keep(polling.done)
  }

  /** Waited for at the end. */
  #keep(work: Promise<void>): void {
    this.#polls.add(work)
    void work.finally(() => this.#polls.delete(work))
  }

  /** The longest unheard are polled no more. */
  #trim(): void {
    const polled = [...this.#threads.values()].filter(({ polling }) => polling !== undefined).toSorted((a, b) => b.heardAt - a.heardAt)
    for (const [at, followed] of polled.entries()) {
      if (at < MOST_ACTIVE && performance.now() - followed.heardAt < ACTIVE_MS) continue
      if (followed.polling !== undefined) followed.polling.wanted = false
      followed.polling = undefined
    }
  }

  async #firstLooks(): Promise<void> {
    await this.#look([...this.#threads.values()])
    await delay(SECOND_LOOK_MS, undefined, { signal: this.#stop.signal }).catch(() => {}) // stopped
    await this.#look([...this.#threads.values()])
  }

  /** One after the other, for ever: the safety net under a sender that does not ring. */
  async #sweeping(): Promise<void> {
    for (let round: ThreadId[] = []; !this.#stop.signal.aborted;) {
      await delay(SWEEP_MS, undefined, { signal: this.#stop.signal }).catch(() => {}) // stopped
      if (round.length === 0) round = [...this.#threads.keys()]
      const threadId = round.pop()
      const next = threadId === undefined ? undefined : this.#threads.get(threadId)
      if (next !== undefined && !this.#stop.signal.aborted) await this.#look([next])
    }
  }

  /** Into queues that nobody polls. Answers how many messages there were. */
  async #look(all: readonly Followed[]): Promise<number> {
    const waiting = all.filter(({ entry, polling }) => polling === undefined && this.#threads.has(entry.threadId))
    let found = 0
    const one = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined && !this.#stop.signal.aborted; next = waiting.pop()) {
        const { threadId } = next.entry
        const count = await this.#following.pollOnce(next.entry, this.#stop.signal).catch((error: unknown) => {
          if (!this.#stop.signal.aborted) this.#following.log.warn({ event: 'queue.not_read', threadId, error: messageOf(error) })
          return 0
        })
        found += count
        if (count > 0) this.heard(threadId)
      }
    }
    await Promise.all(Array.from({ length: LOOKED_INTO_AT_ONCE }, one))
    return found
  }
}
