import { spawn } from 'node:child_process' // oxlint-disable-line no-restricted-imports -- this folder is a package of its own; see local-containers.ts
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { QUIET, WRANGLER } from './wrangler.ts'

const READY_MS = 60_000
const STOP_MS = 10_000

export interface LocalWorkerOptions {
  /** Variables and secrets of the Worker. */
  readonly variables: Readonly<Record<string, string>>
  /** What it keeps lies there, and is there again at the next start. */
  readonly persistTo: string
  /** 0 takes a free one. */
  readonly port: number
  /** Of this process, for those that are started. */
  readonly env: Readonly<Record<string, string>>
  readonly onOutput?: (output: string) => void
  /** Where the wrangler.jsonc of another Worker lies. */
  readonly folder?: string
}

export interface LocalWorker extends AsyncDisposable {
  readonly url: string
  /** Settles when it has ended, by whatever. */
  readonly ended: Promise<unknown>
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>
}

/** The Worker in workerd on this machine, by `wrangler dev`, without Docker. It listens on loopback alone. */
export async function startLocalWorker({
  variables,
  persistTo,
  port,
  env,
  onOutput,
  folder: cwd = import.meta.dirname,
}: LocalWorkerOptions): Promise<LocalWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-worker-'))
  const file = join(folder, 'variables')
  await writeFile(
    file,
    Object.entries(variables)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
      .join(''),
    { mode: 0o600 },
  ) // no argument shows them
  const where = ['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0', '--persist-to', persistTo, '--env-file', file]
  const child = spawn(process.execPath, [WRANGLER, 'dev', '--enable-containers=false', '--show-interactive-dev-session=false', ...where], {
    cwd,
    env: { ...env, ...QUIET, CLOUDFLARE_CF_FETCH_ENABLED: 'false', CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: wrangler starts workerd, and both end together
  })
  const ready = Promise.withResolvers<string>()
  let output = ''
  const hear = (chunk: Buffer): void => {
    output = `${output}${chunk.toString('utf8')}`.slice(-20_000)
    const found = /Ready on (http:\/\/[\w.:]+)/.exec(output)?.[1]
    if (found !== undefined) ready.resolve(found)
    onOutput?.(chunk.toString('utf8'))
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.once('error', ready.reject)
  const ended = new Promise((resolve) => void child.once('exit', resolve))
  child.once('exit', (code) => {
    const taken = output.includes('Address already in use') ? `port ${port} is taken; choose another one by --port\n` : ''
    ready.reject(new Error(`${taken}wrangler ended with ${code}:\n${output}`))
  })
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      process.kill(-child.pid, signal)
      if ((await Promise.race([ended, delay(STOP_MS, 'late', { ref: false })])) === 'late') process.kill(-child.pid, 'SIGKILL')
      await ended
    }
    await rm(folder, { recursive: true, force: true })
  }
  const timer = setTimeout(() => ready.reject(new Error(`the Worker was not ready in time:\n${output}`)), READY_MS)
  try {
    return { url: await ready.promise, ended, kill: () => end('SIGKILL'), [Symbol.asyncDispose]: () => end('SIGTERM') }
  } catch (error) {
    await end('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}
