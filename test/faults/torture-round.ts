import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startScriptedModel } from '../../src/agent/simulation/model.ts'
import { standIn } from '../support/failpoints.ts'
import { keepAlive } from '../support/keeper.ts'
import { startQueueServer } from '../support/queue-server.ts'
import { QueueSender } from '../support/queue-sender.ts'
import { makeRepository } from '../support/repository.ts'
import { Sender } from '../support/sender.ts'
import { startTableServer } from '../support/table-server.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from './checker.ts'

const exec = promisify(execFile)

export interface RoundOptions {
  readonly seed: string
  readonly commands: number
  readonly agent: 'stand-in' | 'real'
  /** By HTTP to a service with its journal in a file; or by queues to a container with its journal in a table. */
  readonly way?: 'http' | 'queues'
  /** Leave the folder of a round with problems for a look. */
  readonly keep?: boolean
}

export interface RoundReport {
  readonly commands: number
  readonly serviceKills: number
  readonly agentKills: number
  readonly drains: number
  readonly duplicates: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly problems: readonly string[]
  readonly seconds: number
}

const THREADS = 3
const USERS = 2
/** A command goes on in the midst of a burst, or after a pause of at most this. */
const PAUSE_MS = 500
const MODEL_KEY = 'CANARY-model-key-of-the-torture'

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
function random(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** What a container needs in AWS, and who sends to it. */
async function startContainer() {
  await using parts = new AsyncDisposableStack()
  const queues = parts.use(await startQueueServer())
  const tables = parts.use(await startTableServer())
  await tables.createQueueTable('queues')
  await tables.createJournalTable('journal')
  Object.assign(process.env, queues.env, tables.env) // for the sending side, which is in this process
  const served = { clientId: 'acme', projectId: 'project', userId: 'user0' }
  const rest = parts.move()
  return {
    env: {
      ...queues.env,
      ...tables.env,
      CONTAINER_ID: 'acme-project-user0',
      QUEUE_TABLE: 'queues',
      JOURNAL_TABLE: 'journal',
      LEASE_TTL_SECONDS: '3',
      QUEUE_TABLE_SECONDS: '1',
      QUEUE_WAIT_SECONDS: '1',
    },
    journal: { client: tables.client, table: 'journal', key: 'acme-project-user0' },
    open: () => QueueSender.open({ table: 'queues', ...served }),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  }
}

/** One workspace folder, a burst of commands, kills in between; quiet in the end, and judged. */
export async function round({ seed, commands, agent, way = 'http', keep = false }: RoundOptions): Promise<RoundReport> {
  const began = performance.now()
  const disturbing = random(`${seed}/disturb`)
  const folder = await temporaryFolder()
  const origin = await makeRepository(join(folder, 'origin'))
  await exec('git', ['-C', origin, 'config', 'core.logAllRefUpdates', 'always'])
  const workspace = join(folder, 'service')
  await mkdir(workspace)
  await chmod(workspace, 0o755)
  await using model = await startScriptedModel()
  const env = {
    REPO_URL: origin,
    FIRST_USER_ID: String(70_000 + (process.pid % 1000) * 20), // two tortures on one machine do not end each other's agents
    INTERRUPTS_PER_MINUTE: '100000',
    SPARE_AGENT: 'true',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: MODEL_KEY,
    ...(agent === 'stand-in' ? standIn : {}),
  }
  await using container = way === 'queues' ? await startContainer() : undefined
  const service = await startService({ workspace, env: { ...env, ...container?.env } })
  const users = container === undefined ? USERS : 1
  await using queueSender = await container?.open()
  const sender = queueSender ?? new Sender(() => service.url)
  const counts = { serviceKills: 0, agentKills: 0, drains: 0, duplicates: 0 }
  try {
    {
      await using _kept = keepAlive(service)
      const open: Promise<unknown>[] = []
      for (let n = 1; n <= commands; n += 1) {
        open.push(act(n))
        await disturb()
        const [pauses, pause] = [disturbing() < 0.7, disturbing() * PAUSE_MS]
        if (pauses) await new Promise((resolve) => setTimeout(resolve, pause))
      }
      await Promise.all(open)
      await sender.settled()
    }
    const problems = await check(service.workspace, {
      quiet: true,
      sent: [...sender.sent.values()],
      origin,
      canaries: [MODEL_KEY],
      output: service.output(),
      journal: container?.journal,
      elsewhere: /^never$/,
    })
    const outcomes: Record<string, number> = {}
    for (const { results } of sender.sent.values()) {
      const outcome = results.at(-1)?.code ?? 'success'
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    const expected = new Set([...EXPECTED, ...(counts.agentKills > 2 ? ['agent_failed'] : [])])
    const failed = [...sender.sent.values()].filter(({ results }) => !expected.has(results.at(-1)?.code ?? 'success'))
    const unexpected = failed.map(({ commandId, results }) => `I1 ${commandId} failed: ${results.at(-1)?.code} ${results.at(-1)?.error}`)
    const report = {
      commands: sender.sent.size,
      ...counts,
      outcomes,
      problems: [...problems, ...unexpected],
      seconds: Math.round((performance.now() - began) / 100) / 10,
    }
    if (keep && report.problems.length > 0) process.stdout.write(`${service.output()}\nkept: ${folder}\n`)
    return report
  } finally {
    await service[Symbol.asyncDispose]()
    if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  /** One command, of whatever kind its dice say; they depend on the seed and its number alone, and not on what else goes on. */
  async function act(n: number): Promise<void> {
    const chance = random(`${seed}/${n}`)
    const duplicate = chance() < 0.15 ? Math.floor(chance() * n) : undefined
    const userId = `user${Math.floor(chance() * users)}`
    const threadId = `${userId}-t${Math.floor(chance() * THREADS)}` // all push to one origin, each to a branch of its own
    const commandId = `${threadId}-${n}`
    const dice = chance()
    const file = { path: `${commandId}.txt`, content: `of ${commandId}` }
    const write = `write ${file.path}: ${file.content}`
    const edit = { userId, threadId, commandId, file }
    if (dice < 0.3) await sender.send({ ...edit, instruction: write })
    else if (dice < 0.5) await sender.send({ ...edit, instruction: write, delivery: chance() < 0.5 ? 'queue' : 'steer' })
    else if (dice < 0.7)
      await sender.send({ ...edit, instruction: `${write} then run sleep 0.${Math.floor(chance() * 9) + 1}`, delivery: chance() < 0.5 ? 'interrupt' : 'queue' })
    else if (dice < 0.8) await sender.send({ ...edit, instruction: `run mkdir -p d && echo noise > ignored.tmp; rm ignored.tmp then ${write}` })
    else if (dice < 0.86) await sender.send({ userId, threadId, commandId, type: 'commit', instruction: `commit ${n}` })
    else if (dice < 0.93) await sender.send({ userId, threadId, commandId, type: 'push', instruction: '' })
    else {
      await sender.send({ ...edit, instruction: write })
      await sender.verb({ userId, threadId, commandId: `${commandId}-undo` }, 'undo')
    }
    const again = duplicate === undefined ? undefined : [...sender.sent.keys()][duplicate]
    if (again === undefined) return
    counts.duplicates += 1
    await sender.again(again)
  }

  async function disturb(): Promise<void> {
    const dice = disturbing()
    const after = disturbing() * PAUSE_MS
    if (dice > 0.2 || !service.alive) return
    await new Promise((resolve) => setTimeout(resolve, after))
    if (!service.alive) return
    if (dice < 0.12) {
      counts.serviceKills += 1
      await service.kill()
    } else if (dice < 0.14) {
      counts.drains += 1
      await service.terminate()
    } else if (await killAgent(service)) counts.agentKills += 1
  }
}

/** A run may be cut short by every kill; an undo may find nothing to undo, and the third kill of its agent ends a command. It may fail for no other reason. */
const EXPECTED = new Set(['success', 'interrupted', 'superseded', 'crashed', 'rejected'])

async function killAgent(service: Service): Promise<boolean> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
    if (!/stand-in-agent|\/claude\0/.test(line)) continue
    if (!(await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).includes(`${service.workspace}/`)) continue
    process.kill(Number(pid), 'SIGKILL')
    return true
  }
  return false
}
