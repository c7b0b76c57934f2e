import { setTimeout as delay } from 'node:timers/promises'
import { ReceiveMessageCommand, type Message, type SQSClient } from '@aws-sdk/client-sqs'
import { backOff } from '../../observe/back-off.ts'

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
  /** When it aborts, no poll begins any more; one that is under way is not broken off, because it might take a message along. */
  readonly finishing?: AbortSignal
  readonly failed: (error: unknown, times: number) => void
}

const BATCH = 10
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 20_000

/** Asks a queue for messages once, and takes them. Answers how many there were. */
export async function pollOnce(polling: Polling, stop: AbortSignal): Promise<number> {
  const messages = await receive(polling, stop)
  if (messages.length > 0) await polling.take(messages)
  return messages.length
}

/** Whether a message lies in a queue. It stays visible, and counts as received once more. */
export async function peek({ client, url }: Polling): Promise<boolean> {
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 1, VisibilityTimeout: 0 }))
  return Messages.length > 0
}

async function receive({ client, url, waitSeconds, answered }: Polling, stop: AbortSignal): Promise<readonly Message[]> {
  const request = new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: BATCH,
    WaitTimeSeconds: waitSeconds,
    MessageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
  })
  const { Messages = [] } = await client.send(request, { abortSignal: stop })
  answered(Messages.length)
  return Messages
}

/**
 * Asks a queue for messages, again and again until that is not wanted any more or `stop` aborts; more and more seldom while it does not
 * answer. While one batch is taken the next one is asked for; batches are taken one after the other, and each to its end.
 */
export async function poll(polling: Polling, stop: AbortSignal): Promise<void> {
  let [failures, asked, taking] = [0, -Infinity, Promise.resolve()]
  const over = polling.finishing === undefined ? stop : AbortSignal.any([stop, polling.finishing])
  while (!over.aborted && (polling.wanted?.(asked) ?? true)) {
    try {
      await polling.ready(over)
      asked = performance.now()
      const messages = await receive(polling, stop)
      await taking
      if (messages.length > 0) taking = polling.take(messages).catch((error: unknown) => polling.failed(error, 1)) // they come again
      failures = 0
    } catch (error) {
      if (over.aborted) break
      failures += 1
      polling.failed(error, failures)
      await delay(backOff(failures, FIRST_RETRY_MS, LONGEST_RETRY_MS), undefined, { signal: over }).catch(() => {}) // stopped
    }
  }
  await taking
}
