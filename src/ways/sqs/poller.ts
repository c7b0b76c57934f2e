import { setTimeout as delay } from 'node:timers/promises'
import { ReceiveMessageCommand, type Message, type SQSClient } from '@aws-sdk/client-sqs'

export interface Polling {
  readonly client: SQSClient
  readonly url: string
  readonly waitSeconds: number
  /** Resolves when messages can be taken; until then they stay in their queue. Rejects when `stop` aborts. */
  readonly ready: (stop: AbortSignal) => Promise<void>
  /** Resolves when every message is recorded, or given back. */
  readonly take: (messages: readonly Message[]) => Promise<void>
  /** The queue has answered; how many messages there were. */
  readonly answered: (count: number) => void
  /** Whether to ask once more, where it was asked last at `since` (by `performance.now()`); always, unless told otherwise. */
  readonly wanted?: (since: number) => boolean
  readonly failed: (error: unknown, times: number) => void
}

const BATCH = 10
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 20_000

/** Asks a queue for messages once. A batch that was received is taken to its end, whatever happens. */
export async function pollOnce({ client, url, waitSeconds, take, answered }: Polling, stop: AbortSignal): Promise<number> {
  const receive = new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: BATCH,
    WaitTimeSeconds: waitSeconds,
    MessageSystemAttributeNames: ['ApproximateReceiveCount'],
  })
  const { Messages = [] } = await client.send(receive, { abortSignal: stop })
  answered(Messages.length)
  if (Messages.length > 0) await take(Messages)
  return Messages.length
}

/** Asks a queue for messages, again and again until that is not wanted any more or `stop` aborts; more and more seldom while it does not answer. */
export async function poll(polling: Polling, stop: AbortSignal): Promise<void> {
  let [failures, asked] = [0, -Infinity]
  while (!stop.aborted && (polling.wanted?.(asked) ?? true)) {
    try {
      await polling.ready(stop)
      asked = performance.now()
      await pollOnce(polling, stop)
      failures = 0
    } catch (error) {
      if (stop.aborted) return
      failures += 1
      polling.failed(error, failures)
      const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
      await delay(wait, undefined, { signal: stop }).catch(() => {}) // stopped
    }
  }
}
