import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { DeleteMessageBatchCommand, type Message, type SQSClient } from '@aws-sdk/client-sqs'
import type { ThreadId } from '../../command/ids.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'
import { makeDoorbell, rungFor } from '../../queues/doorbell.ts'
import { CONTAINER_ROW, type ContainerRow, type Entry } from '../../queues/entry.ts'
import { putContainer, readContainer, type Rows } from '../../queues/table.ts'
import { FollowedQueues } from './followed.ts'
import { LOOK_SECONDS, type Listening, type PollingOf } from './listening.ts'
import { peek, poll, pollOnce } from './poller.ts'
import type { Served } from './message.ts'
import type { Source } from './take.ts'

export interface ContainerOptions {
  readonly rows: Rows
  /** How often they are read. */
  readonly refreshMs: number
  readonly client: SQSClient
  /** AWS account that queues have to belong to. */
  readonly account: string | undefined
  /** What the name of the doorbell begins with. */
  readonly prefix: string
  readonly served: Omit<Served, 'threadId'>
  readonly pollingOf: PollingOf
  readonly log: Log
}

/** How often the container says that it runs. */
const ROW_MS = 60_000

/** The table of queues cannot be read or written. */
export class QueuesUnreachable extends Error {
  constructor(table: string, cause: unknown) {
    super(
      `QUEUE_TABLE: the table ${table} cannot be used (${messageOf(cause)}). It needs the keys containerId and threadId, both text, and this service the right to read and write it.`,
      { cause },
    )
    this.name = 'QueuesUnreachable'
  }
}

/** Ids of two may join to one CONTAINER_ID, `a-b` `c` and `a` `b-c`. */
const isSame = (row: ContainerRow, served: Omit<Served, 'threadId'>): boolean =>
  (['clientId', 'projectId', 'userId'] as const).every((name) => row[name] === undefined || row[name] === served[name])

/** The queues of all threads of one user and project, found in a table; with a doorbell, and a row that says how the container stands. */
export class Container implements Listening {
  readonly #options: ContainerOptions
  readonly #followed: FollowedQueues
  readonly #stop = new AbortController()
  readonly #instance = randomUUID()
  #doorbell: string | undefined
  #state: ContainerRow['state'] = 'stopped'
  #said: Promise<void> = Promise.resolve()
  #working: readonly Promise<void>[] = []

  constructor(options: ContainerOptions) {
    const { rows, refreshMs, account, log, pollingOf } = options
    this.#options = options
    this.#followed = new FollowedQueues({
      rows,
      refreshMs,
      account,
      log,
      poll: (entry, until, stop) => {
        const heard = (): void => this.#followed.heard(entry.threadId)
        return poll({ ...pollingOf(this.#sourceOf(entry), heard), ...until }, stop)
      },
      peek: (entry) => peek(pollingOf(this.#sourceOf(entry), () => {})),
      pollOnce: (entry, stop) => pollOnce({ ...pollingOf(this.#sourceOf(entry), () => {}), waitSeconds: LOOK_SECONDS }, stop),
    })
  }

  async start(): Promise<void> {
    const { client, prefix, rows, log } = this.#options
    this.#doorbell = await makeDoorbell(client, prefix, rows.containerId).catch((error: unknown) => {
      log.warn({ event: 'doorbell.not_made', error: messageOf(error) }) // quiet threads are heard a little later without it
      return undefined
    })
    try {
      const row = await readContainer(rows)
      if (row !== undefined && !isSame(row, this.#options.served)) throw new Error(`its row ${CONTAINER_ROW} is of another client, project or user`)
      await this.#say('running', 'starting')
      await this.#followed.start()
    } catch (error) {
      throw new QueuesUnreachable(rows.table, error)
    }
    this.#working = [this.#saying(), ...(this.#doorbell === undefined ? [] : [this.#answerDoor(this.#doorbell)])]
  }

  outputOf(threadId: ThreadId): string | undefined {
    return this.#followed.outputOf(threadId)
  }

  get counts() {
    return { queues: this.#followed.count, polled: this.#followed.polled }
  }

  async lastLook(): Promise<boolean> {
    await this.#say('stopping')
    return this.#followed.lastLook()
  }

  async finish(): Promise<void> {
    await this.#followed.finish()
  }

  async isAwaited(): Promise<boolean> {
    return this.#followed.isAwaited()
  }

  async stay(): Promise<void> {
    if (this.#state === 'stopping') await this.#say('running')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([this.#followed[Symbol.asyncDispose](), ...this.#working])
    await this.#say('stopped').catch(() => {}) // senders see that the row is not renewed
  }

  #sourceOf = ({ threadId, inputQueueUrl, outputQueueUrl }: Entry): Source => ({
    url: inputQueueUrl,
    output: outputQueueUrl,
    served: { ...this.#options.served, threadId },
  })

  /** One after the other, so that the last one said is what the row says. */
  #say(state: ContainerRow['state'], when: 'starting' | 'serving' = 'serving'): Promise<void> {
    this.#state = state
    const row = { instance: this.#instance, state, ...this.#options.served, doorbellQueueUrl: this.#doorbell, updatedAt: Date.now() }
    this.#said = this.#said.catch(() => {}).then(() => putContainer(this.#options.rows, row, when)) // whoever said the one before was told
    return this.#said
  }

  async #saying(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await delay(ROW_MS, undefined, { signal: this.#stop.signal }).catch(() => {}) // stopped
      if (this.#stop.signal.aborted) return
      await this.#say(this.#state).catch((error: unknown) => this.#options.log.warn({ event: 'container.not_said', error: messageOf(error) }))
    }
  }

  async #answerDoor(url: string): Promise<void> {
    const { client, pollingOf } = this.#options
    const take = async (messages: readonly Message[]): Promise<void> => {
      const threads = new Set(messages.flatMap(({ Body }) => rungFor(Body) ?? []))
      await Promise.all([...threads].map((threadId) => this.#followed.rung(threadId)))
      const Entries = messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }))
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries })) // else it rings once more
    }
    const polling = pollingOf({ url, output: url, served: { ...this.#options.served, threadId: undefined } }, () => {})
    await poll({ ...polling, take, answered: () => {} }, this.#stop.signal) // that the bell works says nothing of the threads' queues
  }
}
