// A consumer of a queue with nothing but the SDK: `node queue-consumer.ts INPUT [OUTPUT]` receives, answers where it is told to, and deletes.
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'

const [, , input, output] = process.argv
const client = new SQSClient({})

/** As long as the service's to a `commit` with nothing to do. */
const answerTo = (body: string): string => {
  const { sessionId, commandId } = JSON.parse(body)
  const result = { sessionId, commandId, timestamp: Date.now(), success: true, summary: 'nothing to commit', filesChanged: [] }
  return JSON.stringify({ ...result, branch: `thread-${sessionId}`, pushed: false, durationMs: 100, attempt: 1 })
}

process.stdin.resume().once('close', () => process.exit())
process.stdout.write('listens\n')
for (;;) {
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: input, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }))
  if (Messages.length === 0) continue
  if (output !== undefined)
    await Promise.all(Messages.map(({ Body = '{}' }) => client.send(new SendMessageCommand({ QueueUrl: output, MessageBody: answerTo(Body) }))))
  const Entries = Messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle }))
  await client.send(new DeleteMessageBatchCommand({ QueueUrl: input, Entries }))
}
