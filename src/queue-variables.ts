import * as z from 'zod'
import { minutes, whole, word } from './shapes.ts'

const queueUrl = z.url({ protocol: /^https?$/, error: 'must be the URL of an SQS queue' })
const tableName = z.string().regex(/^[A-Za-z0-9_.-]{3,255}$/, 'must be the name of a DynamoDB table')

/** Environment variables of queues and of what a container keeps in AWS, as those of `variables.ts`. */
export const QUEUE_VARIABLES = {
  INPUT_QUEUE_URL: {
    group: 'queues',
    default: '',
    about: 'SQS queue that messages come from, standard or FIFO; OUTPUT_QUEUE_URL belongs to it.',
    shape: queueUrl.optional(),
  },
  OUTPUT_QUEUE_URL: { group: 'queues', default: '', about: 'SQS queue that results go to.', shape: queueUrl.optional() },
  QUEUE_TABLE: {
    group: 'queues',
    default: '',
    about: 'Without that pair: DynamoDB table (keys `containerId`, `threadId`) in which the queues of the threads of CONTAINER_ID are found.',
    shape: tableName.optional(),
  },
  QUEUE_TABLE_SECONDS: {
    group: 'queues',
    default: '15',
    about: 'How often that table is read for threads that come, go or change, in seconds.',
    shape: whole(1, 3600).default(15),
  },
  DLQ_URL: {
    group: 'queues',
    default: 'redrive target of the input queue',
    about: 'Queue for messages that cannot be taken or carried out; where there is none, the journal keeps them.',
    shape: queueUrl.optional(),
  },
  QUEUE_ACK: {
    group: 'queues',
    default: 'recorded',
    about:
      '`recorded` deletes a message as soon as it is in the journal; `result` keeps it until its result has been sent, for a journal that does not outlive the container (standard queues only).',
    shape: z.enum(['recorded', 'result']).default('recorded'),
  },
  MAX_RECEIVES: {
    group: 'queues',
    default: '3',
    about: 'How often a message may be received without being recorded before it is a dead letter.',
    shape: whole(1, 1000).default(3),
  },
  QUEUE_WAIT_SECONDS: { group: 'queues', default: '20', about: 'How long one poll waits for messages, in seconds.', shape: whole(1, 20).default(20) },
  QUEUE_PREFIX: {
    group: 'queues',
    default: 'branchline',
    about: 'What the names of queues begin with that Branchline creates: `{prefix}-input-{client}-{project}-{user}`.',
    shape: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,20}$/, 'must be 1 to 20 characters out of A-Z a-z 0-9 _ -')
      .default('branchline'),
  },
  JOURNAL_TABLE: {
    group: 'queues',
    default: 'a file in WORKSPACE_PATH',
    about: 'DynamoDB table (keys `pk`, `sk`) that keeps the journal and the lease of CONTAINER_ID, for a WORKSPACE_PATH that another container may take over.',
    shape: tableName.optional(),
  },
  AWS_ACCOUNT_ID: {
    group: 'queues',
    default: '',
    about: 'AWS account whose queues are used; a row of QUEUE_TABLE that names a queue of another one is passed over.',
    shape: z
      .string()
      .regex(/^\d{12}$/, 'must be the 12 digits of an AWS account')
      .optional(),
  },
  AUTO_SHUTDOWN_MINUTES: {
    group: 'service',
    default: '0',
    about: 'Minutes without work after which the service saves everything and ends with exit code 0; 0 never.',
    shape: z.union([z.literal('0').transform(() => 0), minutes]).default(0),
  },
  PUSH_ON_SHUTDOWN: {
    group: 'service',
    default: 'none',
    about: '`all` pushes the branches of the threads that were worked in before such an end.',
    shape: z.enum(['none', 'all']).default('none'),
  },
  DRAIN_SECONDS: {
    group: 'service',
    default: '25',
    about: 'How long stopping may take, in seconds, before what is left is abandoned; the next start finishes it. Less than whoever stops the service waits.',
    shape: whole(1, 3600).default(25),
  },
  ECS_CLUSTER: {
    group: 'service',
    default: '',
    about: 'With ECS_SERVICE: the service of ECS that runs this container; at the end for want of work its desired count is set to 0.',
    shape: word.optional(),
  },
  ECS_SERVICE: { group: 'service', default: '', about: 'See ECS_CLUSTER.', shape: word.optional() },
  ECS_AGENT_URI: {
    group: 'service',
    default: 'set by ECS',
    about: 'Where the task is protected from being stopped while a run is active.',
    shape: word.optional(),
  },
} as const
