import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PurgeQueueCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs'
import { standIn } from '../test/support/failpoints.ts'
import type { QueuePair, QueueServer } from '../test/support/queue-server.ts'
import { WORKER } from '../test/support/queue-talk.ts'
import { SERVICE_ENV } from './support.ts'

const CONSUMER = fileURLToPath(new URL('queue-consumer.ts', import.meta.url))
const LOOK_MS = 20
const DEADLINE_MS = 120_000
/** Batches that are on their way at once. */
const SENDERS = 8

/** A service that takes its commands from queues; the stand-in for the agent runs nothing that is measured. */
export const QUEUE_ENV = { ...SERVICE_ENV, ...WORKER, ...standIn, QUEUE_WAIT_SECONDS: '20', INTERRUPTS_PER_MINUTE: '100000', LOG_LEVEL: 'error' }

export const pairEnv = ({ input, output }: QueuePair): Record<string, string> => ({ INPUT_QUEUE_URL: input, OUTPUT_QUEUE_URL: output })

/** What takes messages out of a queue, in a process of its own. */
export interface Consumer {
  readonly pid: number
}

/** The bare consumer: it receives and deletes, and answers where `output` is given. */
export async function startConsumer(queues: QueueServer, input: string, output?: string): Promise<Consumer & AsyncDisposable> {
  const child = spawn(process.execPath, [CONSUMER, input, ...(output === undefined ? [] : [output])], {
    env: { PATH: process.env['PATH'] ?? '', ...queues.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

export async function sendAll({ client }: QueueServer, to: string, bodies: readonly string[]): Promise<void> {
  const batches = Array.from({ length: Math.ceil(bodies.length / 10) }, (_, at) => bodies.slice(at * 10, at * 10 + 10))
  const sender = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const { Failed = [] } = await client.send(
        new SendMessageBatchCommand({ QueueUrl: to, Entries: batch.map((MessageBody, at) => ({ Id: String(at), MessageBody })) }),
      )
      if (Failed.length > 0) throw new Error(`not sent: ${JSON.stringify(Failed[0])}`)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
}

/** How long a consumer takes for messages that lie in its queue, in ms; it is stopped while they are put there. */
export async function timeFor({ pid }: Consumer, put: () => Promise<void>, done: () => Promise<boolean>): Promise<number> {
  process.kill(pid, 'SIGSTOP')
  await put().catch((error: unknown) => {
    process.kill(pid, 'SIGCONT')
    throw error
  })
  const began = performance.now()
  process.kill(pid, 'SIGCONT')
  await until(done)
  return performance.now() - began
}

export async function until(done: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + DEADLINE_MS; !(await done()); await delay(LOOK_MS)) {
    if (performance.now() > end) throw new Error('a queue was not worked through in time')
  }
}

export const empty = (queues: QueueServer, url: string) => async (): Promise<boolean> => {
  const { visible, inFlight } = await queues.counts(url)
  return visible + inFlight === 0
}

export const purge = ({ client }: QueueServer, url: string): Promise<unknown> => client.send(new PurgeQueueCommand({ QueueUrl: url }))
