import { setTimeout as delay } from 'node:timers/promises'
import { DeleteMessageCommand, ReceiveMessageCommand, type Message, type SQSClient } from '@aws-sdk/client-sqs'
import { Result } from '../command/result.ts'

export interface InboxOptions {
  readonly calls: SQSClient
  readonly polls: SQSClient
  readonly waitSeconds: number
  readonly onResult: ((result: Result) => void | Promise<void>) | undefined
}

const RETRY_MS = 2000
/** Results that nobody waited for when they came, kept for whoever asks a little later. */
const MOST_UNCLAIMED = 1000

/** Results as they come out of queues. A queue is read for as long as somebody waits for something of it. */
export class Inbox implements AsyncDisposable {
  readonly #options: InboxOptions
  readonly #waiting = new Map<string, Set<(result: Result) => void>>()
  readonly #unclaimed = new Map<string, Result>()
  readonly #readers = new Map<string, { waited: number; kept: boolean; readonly done: Promise<void> }>()
  readonly #stop = new AbortController()

  constructor(options: InboxOptions) {
    this.#options = options
  }

  /** The result of a command, when it comes by that queue. Never resolves when `stop` aborts or the inbox is closed first. */
  async waitFor(output: string, commandId: string, stop: AbortSignal): Promise<Result> {
    const known = this.#unclaimed.get(commandId)
    if (known !== undefined) {
      this.#unclaimed.delete(commandId)
      return known
    }
    const { promise, resolve } = Promise.withResolvers<Result>()
    const waiting = this.#waiting.get(commandId) ?? new Set()
    this.#waiting.set(commandId, waiting.add(resolve))
    const reader = this.#reader(output)
    reader.waited += 1
    stop.addEventListener('abort', () => {
      reader.waited -= 1
      this.#waiting.get(commandId)?.delete(resolve)
    })
    return promise
  }

  /** Reads a queue from here on, whoever waits. */
  listen(output: string): void {
    this.#reader(output).kept = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#readers.values()].map(({ done }) => done))
  }

  #reader(output: string) {
    const known = this.#readers.get(output)
    if (known !== undefined) return known
    const reader = { waited: 0, kept: false, done: Promise.resolve() }
    this.#readers.set(output, reader)
    reader.done = this.#read(output, () => reader.waited > 0 || reader.kept)
    return reader
  }

  async #read(output: string, wanted: () => boolean): Promise<void> {
    const { polls, waitSeconds } = this.#options
    const receive = new ReceiveMessageCommand({ QueueUrl: output, MaxNumberOfMessages: 10, WaitTimeSeconds: waitSeconds })
    await delay(0) // whoever has asked for it says what for
    while (!this.#stop.signal.aborted && wanted()) {
      try {
        const { Messages = [] } = await polls.send(receive, { abortSignal: this.#stop.signal })
        for (const message of Messages) await this.#take(output, message)
      } catch {
        await delay(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => {}) // it is asked again: results stay in their queue until they are taken
      }
    }
    this.#readers.delete(output) // at once, so that nobody waits for a reader that has ended
  }

  async #take(output: string, { Body = '', ReceiptHandle }: Message): Promise<void> {
    const result = readResult(Body)
    if (result !== undefined) {
      await this.#options.onResult?.(result)
      const waiting = this.#waiting.get(result.commandId)
      this.#waiting.delete(result.commandId)
      for (const resolve of waiting ?? []) resolve(result)
      if (waiting === undefined || waiting.size === 0) this.#keep(result)
    }
    await this.#options.calls.send(new DeleteMessageCommand({ QueueUrl: output, ReceiptHandle }))
  }

  #keep(result: Result): void {
    this.#unclaimed.set(result.commandId, result)
    for (const oldest of this.#unclaimed.keys()) {
      if (this.#unclaimed.size <= MOST_UNCLAIMED) return
      this.#unclaimed.delete(oldest)
    }
  }
}

function readResult(body: string): Result | undefined {
  try {
    return Result.loose().parse(JSON.parse(body))
  } catch {
    return undefined // nobody's result: only the service writes there, and whoever else does is not answered
  }
}
