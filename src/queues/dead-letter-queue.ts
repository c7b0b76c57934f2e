import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type Message,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import { isFifo } from './aws.ts'

/** A message in a queue for dead letters. */
export interface QueuedLetter {
  readonly id: string
  readonly body: string
  readonly receiptHandle: string
  /** What our service says of it; a message that SQS itself has moved there has none. */
  readonly reason?: string | undefined
  readonly source?: string | undefined
  readonly threadId?: string | undefined
  readonly commandId?: string | undefined
  readonly at?: string | undefined
}

/** The queue that SQS itself moves messages of another one to, when they were received too often. */
export async function redriveTarget(client: SQSClient, url: string): Promise<string | undefined> {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['RedrivePolicy'] }))
  const policy = Attributes?.['RedrivePolicy']
  const arn: unknown = policy === undefined ? undefined : JSON.parse(policy)['deadLetterTargetArn']
  const [, , , , account, name] = typeof arn === 'string' ? arn.split(':') : []
  if (name === undefined) return undefined
  return (await client.send(new GetQueueUrlCommand({ QueueName: name, QueueOwnerAWSAccountId: account }))).QueueUrl
}

const MOST_LETTERS = 1000
/** Long enough to look at all of them, and to hand one in again. */
const HIDDEN_SECONDS = 60

/** What lies in a queue for dead letters. All of it is given back when the letters are disposed of, but what was removed. */
export async function openLetters(client: SQSClient, url: string): Promise<AsyncDisposable & { readonly letters: readonly QueuedLetter[] }> {
  const letters = new Map<string, QueuedLetter>()
  const receive = new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: 10,
    VisibilityTimeout: HIDDEN_SECONDS,
    WaitTimeSeconds: 1,
    MessageAttributeNames: ['All'],
  })
  for (let more = true; more && letters.size < MOST_LETTERS;) {
    const { Messages = [] } = await client.send(receive)
    more = Messages.some(({ MessageId = '' }) => !letters.has(MessageId))
    for (const message of Messages) letters.set(message.MessageId ?? '', letterIn(message))
  }
  const giveBack = ({ receiptHandle }: QueuedLetter): Promise<unknown> =>
    client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: 0 })).catch(() => {}) // it is gone, or comes back when its time is over
  return { letters: [...letters.values()], [Symbol.asyncDispose]: async () => void (await Promise.all([...letters.values()].map(giveBack))) }
}

/** Sends a letter to the queue that it came from, under a new command id, because its former result stands; then it is no dead letter any more. */
export async function sendAgain(client: SQSClient, from: string, to: string, letter: QueuedLetter): Promise<string | undefined> {
  const { body, commandId } = renewed(letter)
  const inOrder = isFifo(to) ? { MessageGroupId: letter.threadId ?? 'unknown', MessageDeduplicationId: `retry-${letter.id}` } : {}
  await client.send(new SendMessageCommand({ QueueUrl: to, MessageBody: body, ...inOrder }))
  await client.send(new DeleteMessageCommand({ QueueUrl: from, ReceiptHandle: letter.receiptHandle }))
  return commandId
}

/** The same again gives the same new id, so that one that is handed in twice is done once. */
function renewed({ id, body }: QueuedLetter): { readonly body: string; readonly commandId: string | undefined } {
  try {
    const parsed: unknown = JSON.parse(body)
    const isResult = typeof parsed === 'object' && parsed !== null && 'success' in parsed && !('type' in parsed)
    if (isResult || typeof parsed !== 'object' || parsed === null || !('commandId' in parsed) || typeof parsed.commandId !== 'string')
      return { body, commandId: undefined }
    const commandId = `${parsed.commandId.slice(0, 100)}.retry-${id.slice(0, 8)}`
    return { body: JSON.stringify({ ...parsed, commandId }), commandId }
  } catch {
    return { body, commandId: undefined } // what is no JSON goes as it is
  }
}

function letterIn({ MessageId = '', Body = '', ReceiptHandle = '', MessageAttributes = {} }: Message): QueuedLetter {
  const attribute = (name: string): string | undefined => MessageAttributes[name]?.StringValue
  return {
    id: MessageId,
    body: Body,
    receiptHandle: ReceiptHandle,
    reason: attribute('Reason'),
    source: attribute('Source'),
    threadId: attribute('ThreadId'),
    commandId: attribute('CommandId'),
    at: attribute('At'),
  }
}
