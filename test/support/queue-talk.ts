import { randomUUID } from 'node:crypto'
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { Result } from '../../src/command/result.ts'

const DEADLINE_MS = 60_000

/** A container worker: one user and project, all threads by one pair of queues. */
export const WORKER = { CLIENT_ID: 'acme', PROJECT_ID: 'project', USER_ID: 'me', QUEUE_WAIT_SECONDS: '1', INTERRUPTS_PER_MINUTE: '1000' }

/** Plays the part of a chat front end at one pair of queues, in the wire format and with nothing but the SDK. */
export interface QueueTalk {
  /** Sends a command; answers its id. */
  send(threadId: string, instruction: string, more?: object): Promise<string>
  /** Sends any text; what it is is the test's affair. */
  sendText(text: string, group?: string): Promise<void>
  /** The first result of a command, when it is there. */
  result(commandId: string): Promise<Result>
  run(threadId: string, instruction: string, more?: object): Promise<Result>
  /** Every result that has come so far, in the order in which they came. */
  readonly results: readonly Result[]
}

export function talkBy(client: SQSClient, { input, output }: { readonly input: string; readonly output: string }): QueueTalk {
  const results: Result[] = []
  const fifo = input.endsWith('.fifo')
  const sendText = async (text: string, group = 'one', id: string = randomUUID()): Promise<void> => {
    const inOrder = fifo ? { MessageGroupId: group, MessageDeduplicationId: id } : {}
    await client.send(new SendMessageCommand({ QueueUrl: input, MessageBody: text, ...inOrder }))
  }
  const send = async (threadId: string, instruction: string, more: object = {}): Promise<string> => {
    const command = wire(threadId, instruction, more)
    await sendText(JSON.stringify(command), threadId)
    return command.commandId
  }
  const receive = async (): Promise<void> => {
    const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: output, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }))
    for (const { Body = '', ReceiptHandle } of Messages) {
      results.push(JSON.parse(Body))
      await client.send(new DeleteMessageCommand({ QueueUrl: output, ReceiptHandle }))
    }
  }
  const result = async (commandId: string): Promise<Result> => {
    for (const end = Date.now() + DEADLINE_MS; Date.now() < end;) {
      const found = results.find((each) => each.commandId === commandId)
      if (found !== undefined) return found
      await receive()
    }
    throw new Error(`no result of ${commandId} in time; there were ${results.map((each) => each.commandId).join(', ')}`)
  }
  return { send, sendText, result, results, run: async (...message) => result(await send(...message)) }
}

/** A command as an older peer writes it: every field of the wire format, and no other. */
export const wire = (threadId: string, instruction: string, more: object = {}) => ({
  sessionId: threadId,
  commandId: `c-${randomUUID()}`,
  timestamp: Date.now(),
  type: 'edit',
  instruction,
  userEmail: 'anna@example.com',
  chatThreadId: threadId,
  context: { branch: 'main' },
  ...more,
})
