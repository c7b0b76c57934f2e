import { setTimeout as delay } from 'node:timers/promises'
import { connect, type QueueClient } from '../src/client.ts'
import { clientOf } from '../test/support/client.ts'
import { startQueueServer, type QueuePair, type QueueServer } from '../test/support/queue-server.ts'
import { talkBy, wire } from '../test/support/queue-talk.ts'
import { startService, type Service } from '../test/support/service.ts'
import { startTableServer, tableServerSupported } from '../test/support/table-server.ts'
import { SLOWLY, startTimedModel } from './model.ts'
import { empty, pairEnv, purge, QUEUE_ENV, sendAll, startConsumer, timeFor, until, type Consumer } from './queue-support.ts'
import { complain, inTurns, rest, timed, type Samples, type Subject } from './support.ts'

const RECORDED = { rounds: 3, before: 50, messages: 300, threads: 20 }
/** Few, since each waits for git a dozen times. */
const COMMITS = { rounds: 2, messages: 60, threads: 3 }
const ONE_BY_ONE = 20
const INTERRUPTS = 7
const TAKE_OVERS = 2
const LEASE_SECONDS = '6'
/** The model is in the midst of its text by then. */
const STREAMING_MS = 300

/** Messages that are received, recorded so that they survive a power failure, and deleted; no run is in it. */
export const queueRecording: Subject<'file' | 'oneThread' | 'table'> = {
  figures: {
    file: {
      name: `queue messages recorded and deleted, ${RECORDED.threads} threads, against a bare consumer (more is better)`,
      unit: 'messages/s',
      goal: 0.9,
      moreIsBetter: true,
    },
    oneThread: { name: 'queue messages recorded and deleted, one thread, against that (more is better)', unit: 'messages/s', moreIsBetter: true },
    table: {
      name: `queue messages recorded and deleted, ${RECORDED.threads} threads, journal in a table, against that (more is better)`,
      unit: 'messages/s',
      moreIsBetter: true,
    },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const queues = parts.use(await startQueueServer())
    const tables = tableServerSupported ? parts.use(await startTableServer()) : undefined
    await tables?.createJournalTable('journal')
    const perSecond = async (consumer: Consumer, input: string, threads: number): Promise<number> => {
      const work = (count: number): Promise<number> => {
        const bodies = Array.from({ length: count }, (_, at) => JSON.stringify(wire(`t-${at % threads}`, 'write a.txt: a', { delivery: 'queue' })))
        return timeFor(consumer, () => sendAll(queues, input, bodies), empty(queues, input))
      }
      await work(RECORDED.before)
      return (RECORDED.messages * 1000) / (await work(RECORDED.messages))
    }
    /** Its only lane is taken, so whatever comes waits; a new one each time, since what waits is not to grow. */
    const ours = async (name: string, threads: number, more: Readonly<Record<string, string>> = {}): Promise<number> => {
      const pair = await queues.createPair(name)
      const env = { ...QUEUE_ENV, ...queues.env, ...pairEnv(pair), CONCURRENCY: '1', ...more }
      await using service = await startService({ env, destroyed: true })
      const client = clientOf(service, more['USER_ID'])
      const id = await client.post('held', 'run sleep 600')
      await client.event('held', (event) => event.type === 'tool.started' && event.commandId === id)
      await rest() // its first step is taken
      return await perSecond(service, pair.input, threads)
    }
    const table = async (round: number): Promise<number> => {
      if (tables === undefined) return 0
      const [USER_ID, CONTAINER_ID] = [`u${round}`, `acme-project-u${round}`]
      return ours(`table-${round}`, RECORDED.threads, { ...tables.env, JOURNAL_TABLE: 'journal', CONTAINER_ID, USER_ID })
    }
    const rates = await inTurns(RECORDED.rounds, {
      file: (round) => ours(`file-${round}`, RECORDED.threads),
      bare: async (round) => {
        const { input } = await queues.createPair(`bare-${round}`)
        await using bare = await startConsumer(queues, input)
        return await perSecond(bare, input, RECORDED.threads)
      },
      table,
      oneThread: (round) => ours(`one-${round}`, 1),
    })
    const against = (ours: readonly number[]): Samples => ({ ours, baseline: rates.bare })
    return { file: against(rates.file), oneThread: against(rates.oneThread), table: against(rates.table) }
  },
}

/** Commands that need no agent, from message to result. */
export const queueCommands: Subject<'throughput' | 'latency' | 'http'> = {
  figures: {
    throughput: {
      name: `commits with nothing to do by queue, ${COMMITS.threads} threads, against a bare consumer that answers (more is better)`,
      unit: 'commands/s',
      moreIsBetter: true,
    },
    latency: { name: 'one such commit by queue from send to result, against a bare consumer that answers', unit: 'ms' },
    http: { name: 'one such commit by queue from send to result, against the same by HTTP', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const queues = parts.use(await startQueueServer())
    const [pair, barePair] = [await queues.createPair('ours'), await queues.createPair('bare')]
    const service = parts.use(await startService({ env: { ...QUEUE_ENV, ...queues.env, ...pairEnv(pair) }, destroyed: true }))
    const bare = parts.use(await startConsumer(queues, barePair.input, barePair.output))
    const talk = talkBy(queues.client, pair)
    const threads = Array.from({ length: COMMITS.threads }, (_, n) => `t-${n}`)
    for (const thread of threads) await talk.run(thread, `write ${thread}.txt: there`)

    const perSecond = async (consumer: Consumer, { input, output }: QueuePair): Promise<number> => {
      const bodies = Array.from({ length: COMMITS.messages }, (_, at) => JSON.stringify(wire(threads[at % threads.length] ?? '', 'keep', { type: 'commit' })))
      const answered = async (): Promise<boolean> => (await queues.counts(output)).visible >= COMMITS.messages
      const time = await timeFor(consumer, () => sendAll(queues, input, bodies), answered)
      await until(empty(queues, input))
      await purge(queues, output)
      return (COMMITS.messages * 1000) / time
    }
    const rates = await inTurns(COMMITS.rounds, { ours: () => perSecond(service, pair), bare: () => perSecond(bare, barePair) })

    const [sender, bareSender] = [parts.use(await connectTo(queues, pair)), parts.use(await connectTo(queues, barePair))]
    const byQueue = async (by: QueueClient): Promise<number> => {
      const time = await timed(async () => {
        const result = await by.send({ threadId: 't-0', type: 'commit', instruction: 'keep' })
        if (result.summary !== 'nothing to commit') throw complain(service, `not as it should be: ${JSON.stringify(result)}`)
      })
      await delay(50) // the reader of the queue ends
      return time
    }
    const client = clientOf(service)
    const times = await inTurns(ONE_BY_ONE, {
      ours: () => byQueue(sender),
      bare: () => byQueue(bareSender),
      http: async () => timed(() => client.run('t-0', 'keep', { type: 'commit' })),
    })
    return {
      throughput: { ours: rates.ours, baseline: rates.bare },
      latency: { ours: times.ours, baseline: times.bare },
      http: { ours: times.ours, baseline: times.http },
    }
  },
}

/** A message that interrupts: until the result of what it interrupted is there. */
export const queueInterrupt: Subject<'stopped'> = {
  figures: { stopped: { name: 'interrupting message by queue until the interrupted result is there, against the same by HTTP', unit: 'ms' } },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const model = parts.use(await startTimedModel())
    const queues = parts.use(await startQueueServer())
    const pair = await queues.createPair('interrupts')
    const service = parts.use(await startService({ env: { ...agentEnv(model.url), ...queues.env, ...pairEnv(pair) } }))
    const client = clientOf(service)
    const sender = parts.use(await connectTo(queues, pair))

    const time = async (thread: string, round: number, send: (instruction: string) => Promise<{ readonly interrupted?: boolean | undefined }>) => {
      const long = `write ${thread}-${round}.txt: ${SLOWLY}`
      const streaming = model.streaming(long)
      const interrupted = send(long)
      await streaming
      await delay(STREAMING_MS)
      const began = performance.now()
      const next = send(`go on with ${thread}-${round}`)
      const result = await interrupted
      const took = performance.now() - began
      if (result.interrupted !== true) throw complain(service, `not interrupted: ${JSON.stringify(result)}`)
      await next
      await rest()
      return took
    }
    const times = await inTurns(INTERRUPTS, {
      ours: (round) => time('queue', round, (instruction) => sender.send({ threadId: 'queue', instruction })),
      http: (round) => time('http', round, (instruction) => client.run('http', instruction)),
    })
    return { stopped: { ours: times.ours, baseline: times.http } }
  },
}

/** A container that is killed in the middle of a run, and the next one: until the agent asks the model again. */
export const queueTakeOver: Subject<'resumed'> = {
  figures: {
    resumed: {
      name: `kill -9 in a run by queue until the next container's first model request, with a lease of ${LEASE_SECONDS} s in a table, against a journal in a file`,
      unit: 'ms',
    },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    if (!tableServerSupported) return { resumed: { ours: [0], baseline: [0] } }
    const [model, queues, tables] = [parts.use(await startTimedModel()), parts.use(await startQueueServer()), parts.use(await startTableServer())]
    await tables.createJournalTable('journal')
    const leased = { ...tables.env, JOURNAL_TABLE: 'journal', CONTAINER_ID: 'acme-project-me', LEASE_TTL_SECONDS: LEASE_SECONDS }
    const side = async (name: string, more: Readonly<Record<string, string>>): Promise<(round: number) => Promise<number>> => {
      const pair = await queues.createPair(name)
      // The stand-in of SQS gives the next message to a poll whose client was killed, which waits no longer than this.
      const service: Service = parts.use(
        await startService({ env: { ...agentEnv(model.url), ...queues.env, ...pairEnv(pair), QUEUE_WAIT_SECONDS: '1', ...more }, destroyed: true }),
      )
      const [client, talk] = [clientOf(service), talkBy(queues.client, pair)]
      return async (round) => {
        const instruction = `write ${name}-${round}.txt: ${SLOWLY}`
        const streaming = model.streaming(instruction)
        const id = await talk.send('live', instruction)
        await streaming
        await delay(STREAMING_MS)
        await service.kill()
        const began = performance.now()
        const arrived = model.arrival(instruction)
        const restarted = service.restart()
        const took = (await arrived) - began
        await restarted
        await client.call('POST', client.thread('live', 'interrupt'), {})
        await talk.result(id)
        await rest()
        return took
      }
    }
    const times = await inTurns(TAKE_OVERS, { ours: await side('table', leased), file: await side('file', {}) })
    return { resumed: { ours: times.ours, baseline: times.file } }
  },
}

/** With the agent itself, not its stand-in. */
function agentEnv(modelUrl: string): Record<string, string> {
  const { CLAUDE_CODE_PATH: _standIn, ...env } = QUEUE_ENV
  return { ...env, ANTHROPIC_BASE_URL: modelUrl, ANTHROPIC_API_KEY: 'bench' }
}

/** The sending side as it is given to others; it finds the server by the environment. */
async function connectTo(queues: QueueServer, { input, output }: QueuePair): Promise<QueueClient> {
  Object.assign(process.env, queues.env)
  return connect({ input, output })
}
