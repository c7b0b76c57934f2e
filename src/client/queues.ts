import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from '../command/ids.ts'
import type { Result } from '../command/result.ts'
import { forCalls, forPolls, isFifo } from '../queues/aws.ts'
import { ring } from '../queues/doorbell.ts'
import { containerIdOf } from '../queues/names.ts'
import { readContainer, type Rows } from '../queues/table.ts'
import type { Message } from './http.ts'
import { Inbox } from './inbox.ts'
import { queuesOfThread, type QueuePair } from './thread-queues.ts'

/** A message by a queue: it always belongs to a thread. */
export type QueueMessage = Message & { readonly threadId: string }

interface Common {
  readonly region?: string | undefined
  /** Each result, before it is taken out of its queue; where this throws it stays there and comes again. */
  readonly onResult?: ((result: Result) => void | Promise<void>) | undefined
  /** Starts the container where it has stopped. It may be called again and again until the container says that it runs. */
  readonly wake?: (() => Promise<void>) | undefined
  /** What is going on while a result is waited for. */
  readonly onProgress?: ((state: 'sent' | 'waking' | 'running') => void) | undefined
}

/** One pair of queues for all threads. */
export interface PairOptions extends Common {
  readonly input: string
  readonly output: string
}

/** A pair of queues for each thread, found in a table and made where they are not there. */
export interface TableOptions extends Common {
  readonly table: string
  readonly clientId: string
  readonly projectId: string
  readonly userId: string
  /** What the names of new queues begin with. */
  readonly prefix?: string | undefined
  /** Whether new queues are FIFO; they are unless told otherwise. */
  readonly fifo?: boolean | undefined
}

export type QueueOptions = PairOptions | TableOptions

const WAIT_SECONDS = 20
/** How often a container that does not run is looked at, and woken again. */
const WAKE_MS = 5000
const LOOK_MS = 30_000
/** ECS takes five such calls a second of all containers of an account. */
const WOKEN_MS = 60_000
/** A pair of queues does not say whether its container has ended without a result; most runs have one by then. */
const AGAIN_MS = 5 * 60_000
/** A container says every minute that it runs. */
const SILENT_MS = 3 * 60_000

/** @throws where an id does not have the form of one */
export async function openQueueClient(options: QueueOptions): Promise<QueueClient> {
  const [calls, polls] = [new SQSClient(forCalls(options.region)), new SQSClient(forPolls(options.region, WAIT_SECONDS))]
  const inbox = new Inbox({ calls, polls, waitSeconds: WAIT_SECONDS, onResult: options.onResult })
  if ('input' in options) return new QueueClient(options, { calls, polls, inbox, rows: undefined, queuesOf: async () => options })
  const [clientId, projectId, userId] = [ClientId.parse(options.clientId), ProjectId.parse(options.projectId), UserId.parse(options.userId)]
  const workspace = { clientId, projectId, userId }
  const rows: Rows = { client: new DynamoDBClient(forCalls(options.region)), table: options.table, containerId: containerIdOf(workspace) }
  const known = new Map<ThreadId, Promise<QueuePair>>()
  const queuesOf = (threadId: ThreadId): Promise<QueuePair> => {
    const asked =
      known.get(threadId) ?? queuesOfThread(threadId, { client: calls, rows, workspace, prefix: options.prefix ?? 'branchline', fifo: options.fifo ?? true })
    known.set(threadId, asked)
    asked.catch(() => known.delete(threadId))
    return asked
  }
  return new QueueClient(options, { calls, polls, inbox, rows, queuesOf })
}

interface Parts {
  readonly calls: SQSClient
  readonly polls: SQSClient
  readonly inbox: Inbox
  readonly rows: Rows | undefined
  readonly queuesOf: (threadId: ThreadId) => Promise<QueuePair>
}

/** Sends messages by queues and gets their results. It is the one reader of its output queues. */
export class QueueClient implements AsyncDisposable {
  readonly #options: QueueOptions
  readonly #parts: Parts
  readonly #stop = new AbortController()
  #wokenAt = Number.NEGATIVE_INFINITY
  readonly #sending = new Map<ThreadId, Promise<void>>()
  /** Rejects when the connection is closed. */
  readonly #closed: Promise<never>

  constructor(options: QueueOptions, parts: Parts) {
    this.#options = options
    this.#parts = parts
    this.#closed = new Promise((_, reject) => this.#stop.signal.addEventListener('abort', () => reject(this.#stop.signal.reason)))
    this.#closed.catch(() => {}) // told to whoever waits
  }

  /** Sends a message and waits for its result, however long that takes. Sent twice with one `commandId` it gives one result. */
  async send(message: QueueMessage): Promise<Result> {
    const { input, output, commandId, body, threadId } = await this.#prepared(message)
    const over = new AbortController()
    const waiting = this.#parts.inbox.waitFor(output, commandId, over.signal)
    await this.#put(input, threadId, body, commandId).catch((error: unknown) => {
      over.abort()
      throw error
    })
    const waking = this.#keepAwake(threadId, AbortSignal.any([over.signal, this.#stop.signal]))
    try {
      return await Promise.race([waiting, waking.then(() => waiting), this.#closed])
    } finally {
      over.abort()
    }
  }

  /** Sends a message without waiting; answers its id. Its result comes by `onResult`. */
  async post(message: QueueMessage): Promise<string> {
    const { input, output, commandId, body, threadId } = await this.#prepared(message)
    await this.#put(input, threadId, body, commandId)
    this.#parts.inbox.listen(output)
    await this.#knock(threadId)
    return commandId
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the connection was closed'))
    const { inbox, calls, polls, rows } = this.#parts
    await inbox[Symbol.asyncDispose]()
    for (const client of [calls, polls, rows?.client]) client?.destroy()
  }

  async #prepared(message: QueueMessage) {
    const { userEmail = '', type = 'edit', ...asked } = message
    // In a table two containers may have one name, `a-b` `c` and `a` `b-c`: the message says whose it is.
    const { clientId, userId, projectId } = 'table' in this.#options ? this.#options : message
    const threadId = ThreadId.parse(message.threadId)
    const commandId = CommandId.parse(message.commandId ?? randomUUID())
    const { threadId: _thread, clientId: _client, userId: _user, projectId: _project, ...rest } = asked
    const command = {
      ...rest,
      clientId,
      userId,
      projectId,
      sessionId: threadId,
      chatThreadId: threadId,
      commandId,
      timestamp: Date.now(),
      type,
      userEmail,
      context: {},
    }
    return { ...(await this.#parts.queuesOf(threadId)), threadId, commandId, body: JSON.stringify(command) }
  }

  /** One message of a thread after the other, in the order in which they were handed in. */
  #put(input: string, threadId: ThreadId, body: string, commandId: string): Promise<void> {
    const before = this.#sending.get(threadId) ?? Promise.resolve()
    const sending = before.catch(() => {}).then(() => this.#putNow(input, threadId, body, commandId)) // whoever sent the one before is told of its failure
    this.#sending.set(threadId, sending)
    return sending.finally(() => {
      if (this.#sending.get(threadId) === sending) this.#sending.delete(threadId)
    })
  }

  async #putNow(input: string, threadId: ThreadId, body: string, commandId: string): Promise<void> {
    // Its own id for each sending: the service knows a command again by itself, and answers it again.
    const inOrder = isFifo(input) ? { MessageGroupId: threadId, MessageDeduplicationId: `${commandId.slice(0, 90)}-${randomUUID()}` } : {}
    await this.#parts.calls.send(new SendMessageCommand({ QueueUrl: input, MessageBody: body, ...inOrder }))
    this.#options.onProgress?.('sent')
  }

  /** Rings for a thread, and wakes the container where it does not run. */
  async #knock(threadId: ThreadId): Promise<'runs' | 'stopped' | 'unknown'> {
    const { rows, calls } = this.#parts
    const { wake, onProgress } = this.#options
    if (rows === undefined) {
      // A pair of queues does not say whether anybody listens; one that was woken just now has not ended for want of work since.
      if (wake !== undefined && performance.now() - this.#wokenAt > WOKEN_MS) {
        await wake()
        this.#wokenAt = performance.now()
      }
      return 'unknown'
    }
    // The message is in its queue: that the table or the bell fails for a moment loses nothing, and to wake what runs does nothing.
    const container = await readContainer(rows).catch(() => undefined)
    if (container?.doorbellQueueUrl !== undefined) await ring(calls, container.doorbellQueueUrl, threadId).catch(() => {}) // the sweep finds it
    const runs = container?.state === 'running' && Date.now() - container.updatedAt < SILENT_MS
    if (runs) return 'runs'
    if (wake === undefined) return 'unknown'
    onProgress?.('waking')
    await wake()
    return 'stopped'
  }

  /** As long as a result is waited for: one that stops, or was about to when the message came, is woken. @throws where it cannot be woken */
  async #keepAwake(threadId: ThreadId, stop: AbortSignal): Promise<void> {
    const wait = (ms: number): Promise<void> => delay(ms, undefined, { signal: stop }).catch(() => {}) // the result is there
    for (let ran = false; !stop.aborted;) {
      const state = await this.#knock(threadId)
      if (state === 'runs' && !ran) this.#options.onProgress?.('running')
      ran = state === 'runs'
      if (state === 'unknown' && this.#options.wake === undefined) return
      await wait(state === 'unknown' ? AGAIN_MS : ran ? LOOK_MS : WAKE_MS)
    }
  }
}
