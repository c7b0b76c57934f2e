import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { startLocalWorker } from '../deploy/cloudflare/local-worker.ts'
import { machineEnvironment, wranglerAnswer } from '../deploy/cloudflare/wrangler.ts'
import { installWrangler } from '../scripts/folder-packages.ts'

const BARE = join(import.meta.dirname, 'cloudflare-bare')
const OURS = ['--env', 'production', '--containers-rollout=none'] // it builds no image

/** Users of their own for what is started here, away from those of tests and of other figures. */
export const FIRST_USER_ID = 70_000 + (process.pid % 100) * 300

/** Wrangler and workerd are installed where they are not. */
export const prepare = (): void => installWrangler(resolve(import.meta.dirname, '..'))

/** The bare Worker in workerd, started as ours is. */
export async function startBareWorker(): Promise<{ readonly url: string } & AsyncDisposable> {
  await using parts = new AsyncDisposableStack()
  const persistTo = await mkdtemp(join(tmpdir(), 'branchline-bare-'))
  parts.defer(() => rm(persistTo, { recursive: true, force: true, maxRetries: 5 }))
  const { url } = parts.use(await startLocalWorker({ folder: BARE, variables: {}, persistTo, port: 0, env: { ...machineEnvironment(), HOME: persistTo } }))
  const started = parts.move()
  return { url, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

/** A Worker as it would be uploaded. */
export interface Bundle {
  readonly gzipBytes: number
  /** What `wrangler check startup` takes. */
  readonly file: string
}

/** Bundles a Worker into a folder, as a deployment does. */
export async function bundle(which: 'ours' | 'bare', into: string): Promise<Bundle> {
  const [folder, file] = [join(into, which), join(into, `${which}.bundle`)]
  const how = which === 'ours' ? OURS : ['--config', join(BARE, 'wrangler.jsonc')]
  await answered('deploy', '--dry-run', ...how, '--outdir', folder, '--outfile', file)
  return { gzipBytes: gzipSync(await readFile(join(folder, 'main.js'))).byteLength, file }
}

interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[]
  readonly samples: readonly number[]
  /** In µs, one before each sample. */
  readonly timeDeltas: readonly number[]
}

/** How long workerd is busy with evaluating a bundle, in ms: the profile of its first import, without what the profiler calls idle. */
export async function startUp({ file }: Bundle): Promise<number> {
  const outfile = `${file}.cpuprofile`
  await answered('check', 'startup', '--worker', file, '--outfile', outfile)
  const { nodes, samples, timeDeltas }: Profile = JSON.parse(await readFile(outfile, 'utf8'))
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === '(idle)').map(({ id }) => id))
  const busy = timeDeltas.filter((_, at) => !idle.has(samples[at] ?? 0))
  return busy.reduce((sum, delta) => sum + delta, 0) / 1000
}

async function answered(...args: readonly string[]): Promise<void> {
  const { succeeded, complaint } = await wranglerAnswer(...args)
  if (!succeeded) throw new Error(`wrangler ${args.join(' ')} failed:\n${complaint}`)
}
