import { CreateQueueCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { ThreadId } from '../command/ids.ts'
import { queueName } from './names.ts'

/** A day: a knock that nobody heard by then is for a queue that has been looked into meanwhile. */
const RETENTION_SECONDS = '86400'

/** The queue by which senders say for which thread they have sent something; made where it is not there. Answers its URL. */
export async function makeDoorbell(client: SQSClient, prefix: string, containerId: string): Promise<string | undefined> {
  const made = await client.send(
    new CreateQueueCommand({ QueueName: queueName(prefix, 'doorbell', [containerId], false), Attributes: { MessageRetentionPeriod: RETENTION_SECONDS } }),
  )
  return made.QueueUrl
}

/** Rings for a thread. */
export async function ring(client: SQSClient, doorbellQueueUrl: string, threadId: string): Promise<void> {
  await client.send(new SendMessageCommand({ QueueUrl: doorbellQueueUrl, MessageBody: JSON.stringify({ threadId }) }))
}

/** The thread that a message at the doorbell names; `undefined` where it is none. */
export function rungFor(body: string | undefined): ThreadId | undefined {
  try {
    const parsed: unknown = JSON.parse(body ?? '')
    return typeof parsed === 'object' && parsed !== null && 'threadId' in parsed ? ThreadId.safeParse(parsed.threadId).data : undefined
  } catch {
    return undefined // whoever can write to that queue may write anything; the sweep finds what it meant
  }
}
