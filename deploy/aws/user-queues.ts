import { Duration } from 'aws-cdk-lib'
import { Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import { containerIdOf, queueName } from '../../src/queues/names.ts'
import { accept } from './accept.ts'
import type { InstalledUser } from './installation.ts'
import { queueNamesOf, threadPrefixOf } from './names.ts'

/** One pair of queues for all threads. */
export interface Pair {
  readonly kind: 'pair'
  readonly input: Queue
  readonly output: Queue
  readonly dead: Queue
}

/** A pair of queues for each thread, made by the sender and found in the table of queues. */
export interface PerThread {
  readonly kind: 'per-thread'
  /** What their names begin with. */
  readonly prefix: string
  readonly doorbell: Queue
  readonly dead: Queue
}

export type UserQueues = Pair | PerThread

/** The queue in which something waits for a container that does not run. */
export const knockedAt = (queues: UserQueues): Queue => (queues.kind === 'pair' ? queues.input : queues.doorbell)

/** The service gives a message up after 3 (MAX_RECEIVES) and says why; SQS would move it without a word. */
const RECEIVES = 5
/** A message is deleted when it is recorded, so this is how long one waits that a container had in its hands when it crashed. */
const UNSEEN = Duration.seconds(60)

const SAFE = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true } as const satisfies QueueProps
const FIFO = {
  ...SAFE,
  fifo: true,
  contentBasedDeduplication: false, // the same text may be asked for twice; the service knows a command by its id
  retentionPeriod: Duration.days(14), // the longest there is: a container may sleep
  visibilityTimeout: UNSEEN,
} as const satisfies QueueProps

export function queuesOf(scope: Construct, name: string, user: InstalledUser): UserQueues {
  const names = queueNamesOf(name, user)
  const dead = new Queue(scope, 'Dead', { ...FIFO, queueName: names.dead })
  if (user.queuePerThread) return { kind: 'per-thread', dead, ...doorbellOf(scope, name, user, dead) }
  const input = new Queue(scope, 'Input', { ...FIFO, queueName: names.input, deadLetterQueue: { queue: dead, maxReceiveCount: RECEIVES } })
  const output = new Queue(scope, 'Output', { ...FIFO, queueName: names.output })
  accept(output, 'AwsSolutions-SQS3', 'A result stays until its reader deletes it, or for 14 days: moved elsewhere it would be looked for in vain.')
  return { kind: 'pair', input, output, dead }
}

/** The service asks for this queue under the same name and for the same retention, and takes the one that is there. */
function doorbellOf(scope: Construct, name: string, user: InstalledUser, dead: Queue): Pick<PerThread, 'prefix' | 'doorbell'> {
  const prefix = threadPrefixOf(name, user)
  const queueNameOfBell = queueName(prefix, 'doorbell', [containerIdOf(user)], false)
  const doorbell = new Queue(scope, 'Doorbell', { ...SAFE, queueName: queueNameOfBell, retentionPeriod: Duration.days(1) })
  accept(doorbell, 'AwsSolutions-SQS3', 'A knock that nobody could hear says nothing that the queue of its thread does not say too.')
  accept(dead, 'AwsSolutions-SQS3', 'It is the queue of dead letters itself; the service sends them there, since queues of threads have none.')
  return { prefix, doorbell }
}
