import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { check } from '../faults/checker.ts'
import { startContainer, type Container } from './container.ts'
import { MARK } from './global-setup.ts'
import { testedImage } from './image.ts'
import { makeRepository } from './repository.ts'

const exec = promisify(execFile)
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const DEADLINE_MS = 60_000
/** Away from the range of a service that may run on this machine. */
const FIRST_USER_ID = process.env['FIRST_TEST_USER_ID'] ?? '30000'

/** The built program, started as a user starts it, on a folder of its own. */
export interface Service extends AsyncDisposable {
  readonly url: string
  readonly workspace: string
  readonly pid: number
  /** Everything it has written so far. */
  readonly output: () => string
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** SIGTERM; answers the exit code. */
  terminate(): Promise<number | null>
  /** The exit code, when it has ended by itself. */
  readonly ended: Promise<number | null>
  /** It runs. */
  readonly alive: boolean
  /** Starts it again on the same folder. */
  restart(env?: Readonly<Record<string, string>>): Promise<void>
}

export interface ServiceOptions {
  /** A workspace begins as the example site; otherwise as a small repository, which wants nothing installed. */
  readonly example?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly node?: string
  readonly workspace?: string
  readonly args?: readonly string[]
  /** Secrets that the test itself says in messages: they are where messages are kept. */
  readonly said?: readonly string[]
  /** The dependencies of the example site are there from the beginning, where a test before this one has had them installed. */
  readonly installed?: boolean
  /** The test destroys what the checker reads. */
  readonly destroyed?: boolean
}

/** A temporary folder that users other than its owner can reach into. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-test-'))
  await chmod(folder, 0o755)
  return folder
}

export async function startService({
  env = {},
  node = process.execPath,
  workspace,
  example = false,
  installed = false,
  said = [],
  args = [],
  destroyed = false,
}: ServiceOptions = {}): Promise<Service> {
  const folder = workspace ?? (await temporaryFolder())
  const origin = example || workspace !== undefined ? {} : { REPO_URL: await makeRepository(join(folder, 'origin')) }
  const store = join(folder, 'workspace', '.branchline', 'store')
  if (installed) await bring(INSTALLED(), store)
  const image = testedImage()
  if (image !== undefined) await exec('chown', ['-R', image.user, folder])
  let [child, container, url, output] = [undefined as ChildProcess | undefined, undefined as Container | undefined, '', '']
  const start = async (more: Readonly<Record<string, string>> = {}): Promise<void> => {
    const ours = {
      [MARK]: process.env[MARK] ?? '',
      PORT: '0',
      FIRST_USER_ID,
      ...origin,
      WORKSPACE_PATH: join(folder, 'workspace'),
      MIN_RUN_MS: '0',
      RETRY_BASE_MS: '50',
      DISK_RESERVE_MB: '0',
      SPARE_AGENT: 'false',
      ASTRO_PORT: 'off',
      ...env,
      ...more,
    }
    if (image !== undefined) {
      await container?.remove()
      container = startContainer(image, { env: { HOST: '127.0.0.1', CONCURRENCY: '2', ...ours }, volumes: [[folder, folder]] })
      child = container.child
    } else {
      const machine = {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        npm_execpath: process.env['npm_execpath'] ?? '',
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
        ...network(),
      }
      child = spawn(node, [MAIN, ...args], { env: { ...machine, ...ours }, stdio: ['ignore', 'pipe', 'pipe'] })
    }
    const ready = Promise.withResolvers<string>()
    const hear = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
      const found = /is ready (?:at (\S+)|for messages from queues)\n/.exec(output.slice(from))
      if (found !== null) ready.resolve(found[1] ?? '')
    }
    const from = output.length
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('exit', (code) => ready.reject(new Error(`the service ended with ${code}:\n${output.slice(from)}`)))
    const timer = setTimeout(() => ready.reject(new Error(`the service was not ready in time:\n${output}`)), DEADLINE_MS)
    url = await ready.promise.finally(() => clearTimeout(timer))
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    if (container === undefined) child.kill(signal)
    else await container.signal(signal)
    await exited
    return child.exitCode
  }
  await start()
  return {
    get url() {
      return url
    },
    get pid() {
      return child?.pid ?? 0
    },
    get ended() {
      const [code, signal] = [child?.exitCode ?? null, child?.signalCode ?? null]
      if (child === undefined || code !== null || signal !== null) return Promise.resolve(code)
      return once(child, 'exit').then(([exitCode]) => exitCode)
    },
    get alive() {
      return child !== undefined && child.exitCode === null && child.signalCode === null
    },
    workspace: join(folder, 'workspace'),
    output: () => output,
    kill: async () => void (await end('SIGKILL')),
    terminate: () => end('SIGTERM'),
    restart: async (more) => {
      await end('SIGTERM')
      await start(more)
    },
    [Symbol.asyncDispose]: async () => {
      await end('SIGTERM')
      await container?.remove()
      const left = await processesBelow(folder)
      if (left.length > 0) throw new Error(`processes of the service are left: ${left.join(', ')}\n${output.slice(-2000)}`)
      const canaries = Object.values(env).flatMap((value) => /CANARY-[\w-]+/.exec(value) ?? [])
      const unsaid = canaries.filter((canary) => !said.includes(canary))
      const problems = destroyed ? [] : await check(join(folder, 'workspace'), { quiet: false, canaries: unsaid, output })
      if (installed) await bring(store, INSTALLED())
      if (problems.length > 0) throw new Error(`the checker found:\n${problems.join('\n')}`)
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Of this run of the tests and this range of users, who own what was installed; removed at its end. */
const INSTALLED = (): string => join(tmpdir(), `branchline-installed-${process.env[MARK]}-${FIRST_USER_ID}`)

/** Links what is installed in one store into another that has nothing yet. */
async function bring(from: string, to: string): Promise<void> {
  const sets = (await readdir(from).catch(() => [])).filter((name) => /^[0-9a-f]{32}$/.test(name))
  if (sets.length === 0 || (await readdir(to).catch(() => [])).some((name) => sets.includes(name))) return
  await mkdir(to, { recursive: true, mode: 0o755 })
  for (const set of sets) await exec('cp', ['-al', join(from, set), join(to, set)])
}

/** Processes whose environment names a folder: agents, builds and installs of a service that worked there. */
async function processesBelow(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const environments = await Promise.all(pids.map(async (pid) => ({ pid, text: await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') })))
  return environments.filter(({ text }) => text.includes(`${folder}/`)).map(({ pid }) => pid)
}

/** How this machine reaches the registry. */
function network(): Record<string, string> {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}
