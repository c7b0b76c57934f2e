import { readFile, writeFile } from 'node:fs/promises'
import { withGitHub, type WithGitHub } from '../test/support/issues.ts'
import { forged, send, startBareReceiver, webhooks, type Delivery } from './github-support.ts'
import { complain, SERVICE_ENV, type Subject } from './support.ts'

const LOAD = { rounds: 5, deliveries: 500, connections: 20, issues: 25 }
/** In blocks, so that those on their way at once are together far more than what the service has room for. */
const FLOOD = { rounds: 2, deliveries: 2000, block: 500, large: 50, largest: 20, connections: 50 }
/** What a percentile of webhooks is hoped to stay under, on a machine of two processors. */
const AIM_MS = 50

/** From a webhook to its answer, while comments of somebody pour in who may not ask for anything. */
export const githubWebhooks: Subject<'p50' | 'p99' | 'aim'> = {
  figures: {
    p50: {
      name: `GitHub: webhook until it is recorded and answered, ${LOAD.connections} at once, p50, against a bare node:http that checks signatures`,
      unit: 'ms',
    },
    p99: { name: 'GitHub: the same, p99', unit: 'ms' },
    aim: { name: `GitHub: the same p99, against ${AIM_MS} ms`, unit: 'ms', goal: 1 },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const on = parts.use(await withGitHub({ service: { env: SERVICE_ENV } }))
    const bare = parts.use(await startBareReceiver(on.github.app.webhookSecret))
    const { p50, p99 } = await webhooks(on.github, { ours: `${on.service.url}/webhook/github`, bare: bare.url }, LOAD, on.service.output)
    return { p50, p99, aim: { ours: p99.ours, baseline: [AIM_MS] } }
  },
}

/** What the service takes of memory for bodies whose signature is wrong. */
export const githubFlood: Subject<'peak'> = {
  figures: {
    peak: {
      name: `GitHub: memory at its peak while ${FLOOD.deliveries} forged webhooks come, ${FLOOD.connections} at once, ${(FLOOD.deliveries / FLOOD.block) * FLOOD.large} of them of 1 to ${FLOOD.largest} MB, against before`,
      unit: 'MB',
    },
  },
  async measure() {
    const samples: { before: number; peak: number }[] = []
    for (let round = 0; round < FLOOD.rounds; round += 1) {
      await using on = await withGitHub({ service: { env: SERVICE_ENV } })
      await on.github.deliver('ping', { zen: 'Keep it logically awesome.' })
      const { pid, url } = on.service
      await writeFile(`/proc/${pid}/clear_refs`, '5') // the peak begins here
      const before = await memory(pid, 'VmRSS')
      const { statuses } = await send({ url: `${url}/webhook/github`, connections: FLOOD.connections, deliveries: flood(on) })
      const taken = Object.entries(statuses).filter(([status]) => !['0', '401', '503'].includes(status))
      if (taken.length > 0) throw complain(on.service, `forged webhooks were answered with ${JSON.stringify(statuses)}`)
      samples.push({ before, peak: await memory(pid, 'VmHWM') })
    }
    return { peak: { ours: samples.map(({ peak }) => peak), baseline: samples.map(({ before }) => before) } }
  },
}

function flood({ github }: WithGitHub): Delivery[] {
  const body = JSON.stringify(github.deliveries.at(-1)?.payload ?? {})
  return Array.from({ length: FLOOD.deliveries }, (_, at) =>
    forged(`bench-${10_000_000 + at}`, at % FLOOD.block < FLOOD.large ? { megabytes: 1 + (at % FLOOD.largest) } : { body }),
  )
}

async function memory(pid: number, what: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN) / 1000
}
