// What a container takes of the services that are paid for by use: `node bench/scaling/measure.ts`. Counts, so the machine's load does not matter.
import { setTimeout as delay } from 'node:timers/promises'
import { startQueueServer } from '../../test/support/queue-server.ts'
import { talkBy } from '../../test/support/queue-talk.ts'
import { startService } from '../../test/support/service.ts'
import { startTableServer } from '../../test/support/table-server.ts'
import { FIRST_USER_ID } from '../support.ts'
import { startMeter, type Meter } from './meter.ts'

const IDLE_MS = 60_000
const ROUNDS = 4
const TOOLS = 10

interface Taken {
  readonly writeUnits: number
  readonly readUnits: number
  readonly tableRequests: number
  readonly queueRequests: number
  readonly logBytes: number
}

await using parts = new AsyncDisposableStack()
const [queues, tables] = [parts.use(await startQueueServer()), parts.use(await startTableServer())]
await tables.createJournalTable('journal')
const pair = await queues.createPair('measured', { fifo: true, dlq: true })
const [queueMeter, tableMeter] = [parts.use(await startMeter(queues.url)), parts.use(await startMeter(tables.url))]
const ids = { CLIENT_ID: 'acme', PROJECT_ID: 'project', USER_ID: 'me', CONTAINER_ID: 'acme-project-me' }
const aws = { ...queues.env, ...tables.env, AWS_ENDPOINT_URL_SQS: queueMeter.url, AWS_ENDPOINT_URL_DYNAMODB: tableMeter.url }
const env = { ...ids, ...aws, JOURNAL_TABLE: 'journal', INPUT_QUEUE_URL: pair.input, OUTPUT_QUEUE_URL: pair.output, FIRST_USER_ID: String(FIRST_USER_ID) }

let logged = 0
const read = (): Taken => ({
  ...units(tableMeter),
  tableRequests: tableMeter.requests(),
  queueRequests: queueMeter.requests(),
  logBytes: logged,
})
const units = ({ writeUnits, readUnits }: Meter): Pick<Taken, 'writeUnits' | 'readUnits'> => ({ writeUnits: writeUnits(), readUnits: readUnits() })

const service = parts.use(await startService({ env: { ...env, CONCURRENCY: '1' }, destroyed: true }))
const taken = async (work: () => Promise<unknown>, per: number): Promise<Taken> => {
  logged = Buffer.byteLength(service.output())
  const before = read()
  await work()
  logged = Buffer.byteLength(service.output())
  const after = read()
  const each = (key: keyof Taken): number => Math.round(((after[key] - before[key]) / per) * 10) / 10
  return {
    writeUnits: each('writeUnits'),
    readUnits: each('readUnits'),
    tableRequests: each('tableRequests'),
    queueRequests: each('queueRequests'),
    logBytes: each('logBytes'),
  }
}
const talk = talkBy(queues.client, pair)
const one = async (name: string): Promise<void> => {
  for (let n = 0; n < ROUNDS; n++) await talk.run('first', `write ${name}-${n}.txt: ${n}`)
}
const many = async (): Promise<void> => {
  for (let n = 0; n < ROUNDS; n++) await talk.run('first', Array.from({ length: TOOLS }, (_, tool) => `write many-${n}-${tool}.txt: ${n}`).join(' then '))
}
const rows: Record<string, Taken> = {
  'first message of a thread': await taken(() => talk.run('first', 'write first.txt: hello'), 1),
  'a message with one edit of a file': await taken(() => one('one'), ROUNDS),
  [`a message with ${TOOLS} edits of files`]: await taken(many, ROUNDS),
  'a minute without work': await taken(() => delay(IDLE_MS), IDLE_MS / 60_000),
  'the minute after that': await taken(() => delay(IDLE_MS), IDLE_MS / 60_000),
  'a stop and the next start': await taken(() => service.restart(), 1),
}
process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
