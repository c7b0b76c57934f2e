import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withWorker } from '../deploy/cloudflare/test/with-worker.ts'
import { bundle, FIRST_USER_ID, prepare, startBareWorker, startUp } from './cloudflare-support.ts'
import { webhooks } from './github-support.ts'
import { inTurns, type Subject } from './support.ts'

const LOAD = { rounds: 5, deliveries: 500, connections: 20, issues: 25 }
const STARTS = 5
/** What the platform gives a Worker to start. */
const LIMIT_MS = 1000

/** From a webhook to its answer, through workerd, while comments of somebody pour in who may not ask for anything. */
export const cloudflareWebhooks: Subject<'p50' | 'p99'> = {
  figures: {
    p50: {
      name: `Cloudflare: webhook until it is recorded and answered through workerd, ${LOAD.connections} at once, p50, against a bare Worker whose object writes a row`,
      unit: 'ms',
    },
    p99: { name: 'Cloudflare: the same, p99', unit: 'ms' },
  },
  async measure() {
    prepare()
    await using on = await withWorker({ firstUserId: FIRST_USER_ID })
    await using bare = await startBareWorker()
    return webhooks(on.github, { ours: `${on.worker.url}/webhook/github`, bare: `${bare.url}/hook` }, LOAD, on.output)
  },
}

/** What is uploaded, and how long workerd evaluates it. */
export const cloudflareBundle: Subject<'size' | 'start' | 'limit'> = {
  figures: {
    size: { name: 'Cloudflare: bundle of the Worker, gzip, against that of the bare Worker', unit: 'kB' },
    start: { name: 'Cloudflare: start-up of the Worker, against that of the bare Worker', unit: 'ms' },
    limit: { name: `Cloudflare: the same start-up, against the platform's limit of ${LIMIT_MS} ms`, unit: 'ms', goal: 1 },
  },
  async measure() {
    prepare()
    await using parts = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'branchline-bench-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const [ours, bare] = [await bundle('ours', folder), await bundle('bare', folder)]
    const starts = await inTurns(STARTS, { ours: () => startUp(ours), bare: () => startUp(bare) })
    return {
      size: { ours: [ours.gzipBytes / 1000], baseline: [bare.gzipBytes / 1000] },
      start: { ours: starts.ours, baseline: starts.bare },
      limit: { ours: starts.ours, baseline: [LIMIT_MS] },
    }
  },
}
