import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MARK } from '../../../test/support/global-setup.ts'
import { startGitHub, type GitHub, type GitHubOptions } from '../../../test/support/github/github.ts'
import { startModel, type Model } from '../../../test/support/model.ts'
import { startLocalContainers, type LocalContainers } from '../local-containers.ts'
import { startLocalWorker, type LocalWorker } from '../local-worker.ts'
import { machineEnvironment } from '../wrangler.ts'

const API_TOKEN = 'CANARY-worker-token-41d7'
const VAULT_KEY = randomBytes(32).toString('base64')

/** The Worker in workerd, services as its containers, the GitHub that it speaks to, and the model. */
export interface WithWorker extends AsyncDisposable {
  readonly github: GitHub
  readonly model: Model
  readonly containers: LocalContainers
  readonly worker: LocalWorker
  /** Everything that the Worker has written. */
  readonly output: () => string
  /** As its administrator. */
  ask(path: string, init?: { readonly method?: string; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }): Promise<Response>
  readonly authorization: Readonly<Record<string, string>>
  /** Ends the Worker as a crash does, and starts it again with what it has kept. */
  restart(): Promise<void>
}

export interface WorkerOptions extends GitHubOptions {
  readonly containers?: number
  readonly variables?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Of the agents in the containers; as the tests' project says, if nothing is said. */
  readonly firstUserId?: number
}

const machine = (): Record<string, string> => ({ ...machineEnvironment(), [MARK]: process.env[MARK] ?? '' })

export async function withWorker({ containers: most = 3, variables = {}, env = {}, firstUserId, ...options }: WorkerOptions = {}): Promise<WithWorker> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'branchline-kept-'))
  parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const model = parts.use(await startModel())
  const github = parts.use(await startGitHub(options))
  let output = ''
  const hear = (text: string): void => void (output += text)
  const containers = parts.use(
    await startLocalContainers({
      most,
      env: {
        ...machine(),
        ANTHROPIC_BASE_URL: model.url,
        ANTHROPIC_API_KEY: 'CANARY-model-key-9c1e',
        MIN_RUN_MS: '0',
        RETRY_BASE_MS: '50',
        DISK_RESERVE_MB: '0',
        ...env,
      },
      firstUserId: firstUserId ?? Number(process.env['FIRST_TEST_USER_ID'] ?? 54_000),
      onOutput: (name, text) => hear(`[${name}] ${text}`),
    }),
  )
  const start = async (port: number): Promise<LocalWorker> =>
    startLocalWorker({
      variables: {
        API_TOKEN,
        VAULT_KEY,
        GITHUB_API_URL: github.url,
        LOCAL_CONTAINERS: containers.url,
        MAX_CONTAINERS: String(most),
        POLL_MS: '200',
        PROGRESS_SECONDS: '0',
        SLEEP_AFTER_SECONDS: '45',
        ...variables,
      },
      persistTo: folder,
      port,
      env: { ...machine(), HOME: folder },
      onOutput: hear,
    })
  let worker = await start(0)
  parts.defer(() => worker[Symbol.asyncDispose]())
  github.sendTo(`${worker.url}/webhook/github`)
  const on: WithWorker = {
    github,
    model,
    containers,
    get worker() {
      return worker
    },
    output: () => output,
    authorization: { authorization: `Bearer ${API_TOKEN}` },
    ask: (path, init = {}) =>
      fetch(`${worker.url}${path}`, { ...init, headers: { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json', ...init.headers } }),
    restart: async () => {
      await worker.kill()
      worker = await start(Number(new URL(worker.url).port))
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
  const { app } = github
  const entered = await on.ask('/config', {
    method: 'POST',
    body: JSON.stringify({ appId: app.id, privateKey: app.privateKey, webhookSecret: app.webhookSecret }),
  })
  const { configured, slug } = (await entered.json()) as { readonly configured?: boolean; readonly slug?: string }
  if (configured !== true || slug !== app.slug) throw new Error(`the app could not be entered (${entered.status}):\n${output}`)
  const started = parts.move()
  return on
}
