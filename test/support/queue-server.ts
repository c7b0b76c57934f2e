import { fileURLToPath } from 'node:url'
import { CreateQueueCommand, DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { AWS_CLIENT, AWS_ENV, startServerProcess, type ServerProcess } from './server-process.ts'

const PROCESS = fileURLToPath(new URL('queue-server-process.ts', import.meta.url))
const ACCOUNT = 'arn:aws:sqs:us-east-1:000000000000'

/** SQS as far as `fauxqs` goes; its queues and messages outlive a kill. */
export interface QueueServer extends ServerProcess {
  /** For a program that reaches the queues. */
  readonly env: Readonly<Record<string, string>>
  readonly client: SQSClient
  /** Answers its URL. A name that ends in `.fifo` makes a FIFO queue. */
  createQueue(name: string, attributes?: Readonly<Record<string, string>>): Promise<string>
  createPair(name: string, options?: PairOptions): Promise<QueuePair>
  /** Takes out every message that is visible, in order. */
  messages(queueUrl: string): Promise<readonly QueuedMessage[]>
  /** Messages whose visibility has run out count as in flight until somebody receives. */
  counts(queueUrl: string): Promise<{ readonly visible: number; readonly inFlight: number }>
}

export interface QueueServerOptions {
  /** Where it keeps everything; left there afterwards. A temporary one unless given. */
  readonly folder?: string
  readonly port?: number
}

export interface PairOptions {
  readonly fifo?: boolean
  /** The input has a dead letter queue. */
  readonly dlq?: boolean
  readonly maxReceives?: number
  /** Of the input. */
  readonly visibilitySeconds?: number
}

export interface QueuePair {
  readonly input: string
  readonly output: string
  readonly dlq?: string
}

export interface QueuedMessage {
  readonly id: string
  readonly text: string
  /** The text as JSON; the text itself where it is none. */
  readonly body: any
  /** The sender's attributes. */
  readonly attributes: Readonly<Record<string, string>>
  /** SQS's own, such as MessageGroupId and ApproximateReceiveCount. */
  readonly system: Readonly<Record<string, string>>
}

export async function startQueueServer({ folder, port = 0 }: QueueServerOptions = {}): Promise<QueueServer> {
  const server = await startServerProcess({
    program: process.execPath,
    arguments: (at, place) => [PROCESS, String(at), place],
    ready: /listens on (\d+)\n/,
    port,
    folder,
  })
  const { url } = server
  const client = new SQSClient({ endpoint: url, ...AWS_CLIENT })
  const createQueue = async (name: string, attributes: Readonly<Record<string, string>> = {}): Promise<string> => {
    const fifo = name.endsWith('.fifo') ? { FifoQueue: 'true' } : {}
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes: { ...fifo, ...attributes } }))
    return QueueUrl
  }
  return {
    ...server,
    env: { AWS_ENDPOINT_URL_SQS: url, ...AWS_ENV },
    client,
    createQueue,
    createPair: async (name, { fifo = false, dlq = false, maxReceives = 3, visibilitySeconds } = {}) => {
      const named = (use: string): string => `${name}-${use}${fifo ? '.fifo' : ''}`
      const dead = dlq ? { dlq: await createQueue(named('dead')) } : {}
      const input = await createQueue(named('input'), {
        ...(dlq && { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: `${ACCOUNT}:${named('dead')}`, maxReceiveCount: maxReceives }) }),
        ...(visibilitySeconds !== undefined && { VisibilityTimeout: String(visibilitySeconds) }),
      })
      return { input, output: await createQueue(named('output')), ...dead }
    },
    messages: (queueUrl) => takeOut(client, queueUrl),
    counts: async (queueUrl) => {
      const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['All'] }))
      return { visible: Number(Attributes['ApproximateNumberOfMessages']), inFlight: Number(Attributes['ApproximateNumberOfMessagesNotVisible']) }
    },
    [Symbol.asyncDispose]: async () => {
      client.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Deletes what it receives before it receives more: a FIFO queue gives one message of a group at a time. */
async function takeOut(client: SQSClient, queueUrl: string): Promise<readonly QueuedMessage[]> {
  const taken: QueuedMessage[] = []
  const receive = new ReceiveMessageCommand({
    QueueUrl: queueUrl,
    MaxNumberOfMessages: 10,
    MessageAttributeNames: ['All'],
    MessageSystemAttributeNames: ['All'],
  })
  for (;;) {
    const { Messages = [] } = await client.send(receive)
    if (Messages.length === 0) return taken
    for (const { MessageId = '', Body = '', ReceiptHandle, MessageAttributes = {}, Attributes = {} } of Messages) {
      const attributes = Object.fromEntries(Object.entries(MessageAttributes).map(([name, value]) => [name, value.StringValue ?? '']))
      taken.push({ id: MessageId, text: Body, body: parsed(Body), attributes, system: { ...Attributes } })
      await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }))
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
