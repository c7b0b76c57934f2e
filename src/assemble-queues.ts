import type { Config } from './config.ts'
import type { Tools } from './engine/tools.ts'
import type { Journal } from './journal/journal.ts'
import { openSqliteJournal } from './journal/sqlite/open.ts'
import type { Log } from './observe/log.ts'
import type { SqsWorker } from './ways/sqs/worker.ts'

/** The journal, in a file of the workspace or in a table. What speaks to AWS is loaded only where it is needed. */
export async function openJournal({ journalTable, leaseTtlMs, AWS_REGION: region }: Config, folder: string, stop: AbortSignal): Promise<Journal> {
  const waits = (owner: string): void =>
    void process.stdout.write(`Waiting up to ${leaseTtlMs / 1000} s: the former service (${owner}) has not given up its lease.\n`)
  if (journalTable === undefined) return openSqliteJournal(folder, { ttlMs: leaseTtlMs, stop, waits })
  const [{ DynamoDBClient }, { openDynamoJournal }, { forCalls }] = await Promise.all([
    import('@aws-sdk/client-dynamodb'),
    import('./journal/dynamodb/open.ts'),
    import('./queues/aws.ts'),
  ])
  return openDynamoJournal({ client: new DynamoDBClient(forCalls(region)), ...journalTable, folder, ttlMs: leaseTtlMs, stop, waits })
}

/** What takes messages from queues, where there are any; it does not listen yet. */
export async function assembleQueues(config: Config, tools: Tools): Promise<SqsWorker | undefined> {
  const { queues } = config
  if (queues === undefined) return undefined
  const { SqsWorker } = await import('./ways/sqs/worker.ts')
  return new SqsWorker(
    {
      queues,
      region: config.AWS_REGION,
      account: config.AWS_ACCOUNT_ID,
      prefix: config.QUEUE_PREFIX,
      deadLetterQueue: config.DLQ_URL,
      acknowledge: config.QUEUE_ACK,
      maxReceives: config.MAX_RECEIVES,
      tableSeconds: config.QUEUE_TABLE_SECONDS,
      waitSeconds: config.QUEUE_WAIT_SECONDS,
      served: { clientId: config.CLIENT_ID, userId: config.USER_ID, projectId: config.PROJECT_ID },
    },
    tools,
  )
}

/** What is told when the service ends for want of work: ECS, where it runs this container. */
export function goneOf(
  { ECS_CLUSTER: cluster, ECS_SERVICE: service, AWS_REGION: region }: Config,
  worker: SqsWorker | undefined,
  log: Log,
): () => Promise<void> {
  if (cluster === undefined || service === undefined) return async () => {}
  return async () => {
    await worker?.finish()
    const { giveUpTask } = await import('./ways/sqs/give-up-task.ts')
    await giveUpTask({ cluster, service, region }, async () => (await worker?.isAwaited()) ?? false, log)
  }
}
