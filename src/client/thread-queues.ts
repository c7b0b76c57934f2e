import { CreateQueueCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { ThreadId, WorkspaceId } from '../command/ids.ts'
import { queueName } from '../queues/names.ts'
import { putEntry, readEntry, type Rows } from '../queues/table.ts'

/** Where a message goes, and where its result comes from. */
export interface QueuePair {
  readonly input: string
  readonly output: string
}

export interface ThreadQueuesOptions {
  readonly client: SQSClient
  readonly rows: Rows
  readonly workspace: WorkspaceId
  readonly prefix: string
  readonly fifo: boolean
}

/** Fourteen days, the longest that SQS keeps a message. */
const RETENTION_SECONDS = '1209600'

/** The queues of a thread as the table has them; a new thread gets its own, and a row in the table. */
export async function queuesOfThread(threadId: ThreadId, { client, rows, workspace, prefix, fifo }: ThreadQueuesOptions): Promise<QueuePair> {
  const known = await readEntry(rows, threadId)
  if (known !== undefined && known.state !== 'closed') return { input: known.inputQueueUrl, output: known.outputQueueUrl }
  const parts = [workspace.clientId, workspace.projectId, workspace.userId, threadId]
  const make = async (use: 'input' | 'output'): Promise<string> => {
    const Attributes = { MessageRetentionPeriod: RETENTION_SECONDS, ...(fifo ? { FifoQueue: 'true' } : {}) }
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: queueName(prefix, use, parts, fifo), Attributes }))
    if (QueueUrl === undefined) throw new Error(`SQS has made the ${use} queue of ${threadId} and not said where`)
    return QueueUrl
  }
  const [input, output] = await Promise.all([make('input'), make('output')])
  await putEntry(rows, { threadId, inputQueueUrl: input, outputQueueUrl: output, state: 'active', updatedAt: Date.now() })
  return { input, output }
}
