import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { ThreadId } from '../src/command/ids.ts'
import { putEntry } from '../src/queues/table.ts'
import { startFaultProxy, type FaultProxy } from '../test/support/fault-proxy.ts'
import { startQueueServer } from '../test/support/queue-server.ts'
import { startService, type Service } from '../test/support/service.ts'
import { startTableServer, tableServerSupported } from '../test/support/table-server.ts'
import { QUEUE_ENV } from './queue-support.ts'
import { pss, type Samples, type Subject } from './support.ts'

const COUNTS = [1, 100, 500] as const
/** Every queue has been looked into twice by then. */
const FIRST_LOOKS_MS = 75_000
const WATCH_MS = 60_000
/** Of `/proc/{pid}/stat`, in clock ticks of a hundredth of a second. */
const TICK_MS = 10
const CREATED_AT_ONCE = 16

interface Idle {
  readonly service: Service
  readonly proxy: FaultProxy
}

interface Found {
  readonly cpu: number
  readonly sockets: number
  readonly requests: number
  readonly memory: number
}

type Key = `${'cpu' | 'sockets' | 'requests' | 'memory'}${'100' | '500'}`

const figuresFor = (count: 100 | 500) => ({
  [`cpu${count}`]: { name: `processor of an idle container with ${count} threads' queues, against 1`, unit: '%' },
  [`sockets${count}`]: { name: `open sockets of an idle container with ${count} threads' queues, against 1`, unit: 'sockets' },
  [`requests${count}`]: { name: `requests to SQS by an idle container with ${count} threads' queues, against 1`, unit: 'per minute' },
  [`memory${count}`]: { name: `memory of an idle container with ${count} threads' queues, against 1`, unit: 'MB' },
})

/** What a container costs that nobody sends anything to, with a pair of queues for each of its threads. */
export const queueIdle: Subject<Key> = {
  figures: { ...figuresFor(100), ...figuresFor(500) } as Subject<Key>['figures'],
  async measure() {
    await using parts = new AsyncDisposableStack()
    if (!tableServerSupported) return {} as Record<Key, Samples>
    const [queues, tables] = [parts.use(await startQueueServer()), parts.use(await startTableServer())]
    await tables.createQueueTable('queues')
    await tables.createJournalTable('journal')
    const idle: Idle[] = []
    for (const count of COUNTS) {
      const [USER_ID, containerId] = [`u${count}`, `acme-project-u${count}`]
      const numbers = Array.from({ length: count }, (_, n) => n)
      const create = async (): Promise<void> => {
        for (let n = numbers.pop(); n !== undefined; n = numbers.pop()) {
          const { input, output } = await queues.createPair(`u${count}-${n}`)
          const entry = { threadId: ThreadId.parse(`t-${n}`), inputQueueUrl: input, outputQueueUrl: output, state: 'active', updatedAt: 1 }
          await putEntry({ client: tables.client, table: 'queues', containerId }, entry)
        }
      }
      await Promise.all(Array.from({ length: CREATED_AT_ONCE }, create))
      const proxy = parts.use(await startFaultProxy(queues.url))
      const container = { QUEUE_TABLE: 'queues', JOURNAL_TABLE: 'journal', CONTAINER_ID: containerId, USER_ID, QUEUE_TABLE_SECONDS: '15' }
      const env = { ...QUEUE_ENV, ...container, ...queues.env, ...tables.env, AWS_ENDPOINT_URL_SQS: proxy.url }
      idle.push({ proxy, service: parts.use(await startService({ env, destroyed: true })) })
    }
    await delay(FIRST_LOOKS_MS)
    const [one, hundred, many] = await Promise.all(idle.map(watch))
    if (one === undefined || hundred === undefined || many === undefined) throw new Error('nothing was watched')
    const against = (what: keyof Found, of: Found): Samples => ({ ours: [of[what]], baseline: [one[what]] })
    return {
      cpu100: against('cpu', hundred),
      sockets100: against('sockets', hundred),
      requests100: against('requests', hundred),
      memory100: against('memory', hundred),
      cpu500: against('cpu', many),
      sockets500: against('sockets', many),
      requests500: against('requests', many),
      memory500: against('memory', many),
    }
  },
}

async function watch({ service: { pid }, proxy }: Idle): Promise<Found> {
  const total = (): number => Object.values(proxy.requests).reduce((sum, count) => sum + count, 0)
  const [before, cpuBefore] = [total(), await cpuOf(pid)]
  await delay(WATCH_MS)
  const [requests, cpu] = [((total() - before) * 60_000) / WATCH_MS, (((await cpuOf(pid)) - cpuBefore) * 100) / WATCH_MS]
  return { cpu, requests, sockets: await socketsOf(pid), memory: await pss([pid]) }
}

async function cpuOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

async function socketsOf(pid: number): Promise<number> {
  const found = (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))
  return (await Promise.all(found)).filter((target) => target.startsWith('socket:')).length
}
