import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOf } from '../test/support/client.ts'
import { makeRepository } from '../test/support/repository.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { BareAgent, makeBarePlace } from './bare.ts'
import { startTimedModel } from './model.ts'
import { complain, pss, SERVICE_ENV, type Subject } from './support.ts'

const AGENTS = 10
const BARE = 3
const WATCH_MS = 20_000
/** Of `/proc/{pid}/stat`, in clock ticks of a hundredth of a second. */
const TICK_MS = 10

/** What agents that wait cost. */
export const idleAgents: Subject<'memory' | 'cpu' | 'in2GB'> = {
  figures: {
    memory: { name: 'memory of a waiting agent (PSS), against the bare SDK’s', unit: 'MB' },
    cpu: { name: 'processor of ten waiting agents in a minute, against ten of the bare SDK', unit: 'ms' },
    in2GB: { name: 'waiting agents and the service that fit in 2 GB, against agents of the bare SDK (more is better)', unit: 'agents', moreIsBetter: true },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    const repository = await makeRepository(folder)
    const model = parts.use(await startTimedModel())
    const env = { ...SERVICE_ENV, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'bench', AGENTS_KEPT: String(AGENTS) }
    const service = parts.use(await startService({ env }))
    for (let n = 0; n < AGENTS; n += 1) {
      const result = await clientOf(service).run(`idle-${n}`, `write ${n}.txt: ${n}`)
      if (!result.success) throw complain(service, `a message was not carried out: ${JSON.stringify(result)}`)
    }
    const bare = await Promise.all(
      Array.from({ length: BARE }, async (_, n) => {
        const agent = parts.use(new BareAgent(await makeBarePlace(join(folder, `bare-${n}`), repository, model.url)))
        await agent.send(`write ${n}.txt: ${n}`)
        return agent
      }),
    )
    await delay(3000)
    const ours = await claudes((environment) => environment.includes(service.workspace))
    const theirs = await claudes((environment) => environment.includes(folder))
    if (ours.length !== AGENTS || theirs.length !== bare.length) throw complain(service, `${ours.length} and ${theirs.length} agents wait`)
    const [before, beforeTheirs] = [await cpu(ours), await cpu(theirs)]
    await delay(WATCH_MS)
    const minute = 60_000 / WATCH_MS
    const [spent, spentTheirs] = [(await cpu(ours)) - before, (await cpu(theirs)) - beforeTheirs]
    const [memory, memoryTheirs, own] = [(await pss(ours)) / ours.length, (await pss(theirs)) / theirs.length, await pss([service.pid])]
    return {
      memory: { ours: [memory], baseline: [memoryTheirs] },
      cpu: { ours: [spent * minute], baseline: [Math.max(1, spentTheirs * minute * (AGENTS / BARE))] },
      in2GB: { ours: [Math.floor((2000 - own) / memory)], baseline: [Math.floor(2000 / memoryTheirs)] },
    }
  },
}

async function claudes(wanted: (environment: string) => boolean): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = pids.map(async (pid) => {
    const [line, environment] = await Promise.all(['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')))
    return line?.includes('/claude\0') === true && wanted(environment ?? '') ? [Number(pid)] : []
  })
  return (await Promise.all(found)).flat()
}

async function cpu(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8')))
  return texts.reduce((sum, text) => {
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS
  }, 0)
}
