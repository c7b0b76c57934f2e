import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { Result } from '../../command/result.ts'
import type { DeadLetter, Delivery } from '../../journal/journal.ts'
import { isFifo } from '../../queues/aws.ts'
import { fitForSqs } from '../../queues/text.ts'
import { messageOf } from '../../observe/text.ts'

/** A message has at most 1 MiB (SQS); what is larger is told without its lists. */
const MAX_BYTES = 1024 * 1024 - 10_000
/** A result whose queue is gone, or that no queue takes, after so many tries over about twenty minutes is a dead letter, and its thread goes on. */
const MAX_TRIES = 25
const FOR_GOOD = new Set(['QueueDoesNotExist', 'InvalidMessageContents', 'InvalidParameterValue', 'UnsupportedOperation'])

export interface Answering {
  readonly client: SQSClient
  /** The queue for results of a thread as it is by now; `undefined` where the thread has none any more. */
  readonly outputOf: (delivery: Delivery) => string | undefined
  readonly bury: (letter: DeadLetter) => Promise<void>
}

/** Sends a result to its queue; resolves when SQS has it. */
export async function answer(delivery: Delivery, { client, outputOf, bury }: Answering): Promise<void> {
  const { eventId, threadId, result, tries } = delivery
  const to = outputOf(delivery) ?? delivery.to
  if (to === undefined) throw new Error('no output queue is known for it')
  const inOrder = isFifo(to) ? { MessageGroupId: threadId, MessageDeduplicationId: eventId } : {}
  try {
    await client.send(new SendMessageCommand({ QueueUrl: to, MessageBody: bodyOf(result), ...inOrder }))
  } catch (error) {
    if (!(error instanceof Error && FOR_GOOD.has(error.name)) || tries < MAX_TRIES) throw error
    const reason = `its result could not be sent to ${to}: ${messageOf(error)}`
    await bury({ at: Date.now(), reason, source: delivery.to, threadId, commandId: result.commandId, body: JSON.stringify(result) })
  }
}

/** As SQS takes it. */
export function bodyOf(result: Result): string {
  const text = (of: object): string => fitForSqs(JSON.stringify(of))
  const whole = text(result)
  if (Buffer.byteLength(whole) <= MAX_BYTES) return whole
  const { filesChanged: _files, skipped: _skipped, pageErrors: _errors, pagesChecked: _pages, pictures: _pictures, ...rest } = result
  return text({ ...rest, summary: `${rest.summary.slice(0, 1000)} (Lists of files are left out: the result was too large for its queue.)` })
}
