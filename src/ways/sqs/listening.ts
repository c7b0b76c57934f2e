import type { ThreadId } from '../../command/ids.ts'
import { peek, poll, pollOnce, type Polling } from './poller.ts'
import type { Source } from './take.ts'

/** The queues that are listened to, and how. */
export interface Listening extends AsyncDisposable {
  /** @throws where it cannot be found out what to listen to */
  start(): Promise<void>
  /** The queue for results of a thread; `undefined` where it has none. */
  outputOf(threadId: ThreadId): string | undefined
  /** Tells senders that nobody will listen soon, and looks once more. Answers whether there was anything; then it goes on. */
  lastLook(): Promise<boolean>
  /** Begins no poll any more; resolves when what came with the last one is recorded, or given back. */
  finish(): Promise<void>
  /** Whether a message lies there, which stays where it is. */
  isAwaited(): Promise<boolean>
  /** Tells senders that it goes on after a last look. */
  stay(): Promise<void>
  readonly counts: { readonly queues: number; readonly polled: number }
}

/** How a queue is polled; `heard` is told whenever messages came. */
export type PollingOf = (source: Source, heard: () => void) => Polling

/** How long one look into a queue waits, in seconds; one that does not wait asks some of SQS's servers only. */
export const LOOK_SECONDS = 1

/** One pair of queues for all threads. */
export class Pair implements Listening {
  readonly #source: Source
  readonly #polling: Polling
  readonly #stop = new AbortController()
  #working: Promise<void> | undefined
  readonly #finishing = new AbortController()

  constructor(source: Source, pollingOf: PollingOf) {
    this.#source = source
    this.#polling = { ...pollingOf(source, () => {}), finishing: this.#finishing.signal }
  }

  async start(): Promise<void> {
    this.#working = poll(this.#polling, this.#stop.signal)
  }

  outputOf(): string {
    return this.#source.output
  }

  async lastLook(): Promise<boolean> {
    return (await pollOnce({ ...this.#polling, waitSeconds: LOOK_SECONDS }, this.#stop.signal)) > 0
  }

  /** Not by breaking a poll off: a message that is on its way would be hidden for a while. */
  async finish(): Promise<void> {
    this.#finishing.abort()
    await this.#working
  }

  async isAwaited(): Promise<boolean> {
    return peek(this.#polling)
  }

  async stay(): Promise<void> {}

  readonly counts = { queues: 1, polled: 1 }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#working
  }
}
