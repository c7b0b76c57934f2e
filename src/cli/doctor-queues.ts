import type { Config } from '../config.ts'
import { messageOf } from '../observe/text.ts'

/** Whether the queues and tables that are named can be used, asked of AWS. @throws where one cannot */
export async function checkQueues({ queues, journalTable, DLQ_URL, AWS_REGION: region }: Config): Promise<string> {
  const [{ SQSClient, GetQueueAttributesCommand }, { DynamoDBClient }, { forCalls }, { readEntries }, { redriveTarget }, { Table }, { Values }] =
    await Promise.all([
      import('@aws-sdk/client-sqs'),
      import('@aws-sdk/client-dynamodb'),
      import('../queues/aws.ts'),
      import('../queues/table.ts'),
      import('../queues/dead-letter-queue.ts'),
      import('../journal/dynamodb/table.ts'),
      import('../journal/dynamodb/values.ts'),
    ])
  const [sqs, tables] = [new SQSClient(forCalls(region)), new DynamoDBClient(forCalls(region))]
  const usable = async <Found>(name: string, ask: () => Promise<Found>): Promise<Found> => {
    try {
      return await ask()
    } catch (error) {
      throw new Error(`${name} cannot be used: ${messageOf(error)}`)
    }
  }
  const queue = (name: string, url: string) => usable(name, () => sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] })))
  const found: string[] = []
  try {
    if (queues?.kind === 'pair') {
      await queue('INPUT_QUEUE_URL', queues.input)
      await queue('OUTPUT_QUEUE_URL', queues.output)
      const dead = DLQ_URL ?? (await usable('INPUT_QUEUE_URL', () => redriveTarget(sqs, queues.input)))
      found.push(`a pair of queues, dead letters ${dead === undefined ? 'stay in the journal' : `to ${dead}`}`)
    } else if (queues !== undefined) {
      const { length } = await usable('QUEUE_TABLE', () => readEntries({ client: tables, ...queues }, () => {}))
      found.push(`${length} threads of ${queues.containerId} in the table ${queues.table}`)
    }
    if (DLQ_URL !== undefined) await queue('DLQ_URL', DLQ_URL)
    if (journalTable !== undefined) {
      const { epoch } = await usable('JOURNAL_TABLE', () => new Table(tables, journalTable.table, journalTable.key, new Values('')).lease.read())
      found.push(epoch === 0 ? `a new journal in the table ${journalTable.table}` : `the journal of ${epoch} starts in the table ${journalTable.table}`)
    }
    return found.join('; ')
  } finally {
    sqs.destroy()
    tables.destroy()
  }
}
