import { createHash, randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Agents } from './agent/agents.ts'
import { findClaudeCode } from './agent/binary.ts'
import { assembleApi, assembleGitHub, githubLine, openVault, publicHost, setUpOf } from './assemble-github.ts'
import { assembleModel, bedrockRegion } from './assemble-model.ts'
import { assemblePreviews, linkKey } from './assemble-previews.ts'
import { assembleQueues, goneOf, openJournal } from './assemble-queues.ts'
import { assembleMetrics, assembleTraces } from './assemble-watching.ts'
import { SettingsFile } from './agent/settings.ts'
import { BadConfiguration, type Config } from './config.ts'
import { exampleSite } from './example.ts'
import { Engine } from './engine/engine.ts'
import { Idle } from './engine/idle.ts'
import { keepBounded } from './engine/retention.ts'
import { oneAtATime } from './process/one-at-a-time.ts'
import { Outbox, type Deliver } from './engine/outbox.ts'
import { Steered } from './engine/steered.ts'
import type { Tools } from './engine/tools.ts'
import type { Delivery } from './journal/journal.ts'
import { keepHealthFile } from './observe/health-file.ts'
import { protectTask } from './engine/task-protection.ts'
import { SYSTEM_PATH } from './git/git.ts'
import { eventLogs } from './observe/event-logs.ts'
import { Egress } from './network/egress.ts'
import { machineProxy } from './network/machine-proxy.ts'
import { openLog, type Log } from './observe/log.ts'
import { messageOf } from './observe/text.ts'
import { Secrets } from './observe/redact.ts'
import { findIdentities, type Identities } from './process/identity.ts'
import { isLocal, peerUser, type Connection } from './process/peer.ts'
import { findSandbox, programFolders, type Sandbox } from './process/sandbox.ts'
import { version } from './version.ts'
import { httpApp } from './ways/http/app.ts'
import { consoleReader } from './ways/http/console.ts'
import { readCallers } from './ways/http/access.ts'
import { ThreadLinks } from './ways/http/links.ts'
import { Presence } from './ways/http/presence.ts'
import { PictureLinks } from './ways/http/picture-links.ts'
import { listen } from './ways/http/server.ts'
import { Jobs } from './ways/http/jobs.ts'
import { Waiting } from './ways/http/waiting.ts'
import { findNpm } from './workspace/npm.ts'
import { passage } from './workspace/files.ts'
import { Room } from './workspace/room.ts'
import { servicePaths } from './workspace/paths.ts'

const ATTEMPTS = 3
const CRASHES = 2

export interface Service extends AsyncDisposable {
  /** Where the HTTP API is, where there is one. */
  readonly url: string | undefined
  /** Where previews are, where there are any. */
  readonly previewUrl: string | undefined
  readonly identities: Identities
  readonly sandbox: Sandbox
  /** Aborts when another service has taken over the workspace; nothing more may be written. */
  readonly lost: AbortSignal
  /** How GitHub stands, for whoever starts the service. */
  readonly github: string | undefined
  /** Where dead letters go; `undefined` where the journal keeps them. */
  readonly deadLetterQueue: string | undefined
  /** A scripted model answers. */
  readonly simulated: boolean
  /** Resolves when there has been no work for so long that the service is to end. */
  readonly idle: Promise<void>
}

/** Builds the service out of its parts and starts it; what was started is stopped again when a later part cannot start. `stop` ends waiting for the lease. */
export async function assemble(config: Config, stop: AbortSignal): Promise<Service> {
  await using parts = new AsyncDisposableStack()
  const { callers, secrets: tokens } = readCallers(config.API_TOKEN, config.API_TOKENS_FILE)
  const secrets = new Secrets([...config.secrets, ...tokens])
  const { redact } = secrets
  const log = openLog(config.LOG_LEVEL, redact)
  const root = config.workspacePath
  const paths = servicePaths(root)
  await makeFolders(root)

  const binary = config.CLAUDE_CODE_PATH ?? findClaudeCode()
  const npm = findNpm(config.npmCli)
  const identities = await findIdentities(config.ISOLATION, config.FIRST_USER_ID, { workspace: root, programs: [binary, process.execPath, dirname(npm)] })
  const sandbox = await findSandbox(config.SANDBOX, identities.agent(0), { workspace: root, programs: programFolders(process.execPath, binary, npm) })
  const journal = parts.use(await openJournal(config, paths.own, stop))
  const vault = await openVault(config, paths.vault, secrets)
  const stopping = new AbortController()
  const github = assembleApi(config, vault, secrets, stopping.signal)

  const { broker, enteredKey } = parts.use(await assembleModel(config, { own: paths.own, log, secrets }))
  const networks = parts.use(await networksOf(config, log))
  const path = `${dirname(process.execPath)}:${SYSTEM_PATH}`
  const settings = config.AGENT_SETTINGS_FILE === undefined ? undefined : new SettingsFile(config.AGENT_SETTINGS_FILE, log)
  const env = agentEnv(config, networks.agents)
  const starting = { binary, model: config.ANTHROPIC_MODEL, bedrockRegion: bedrockRegion(config), path, sandbox, env }
  const kept = { keep: config.AGENTS_KEPT, memoryReserve: config.MEMORY_RESERVE_MB * 1_000_000 }
  const agents = parts.use(new Agents({ ...starting, ...kept, settingsOf: settings && ((workspace) => settings.of(workspace)) }, broker))
  agents.start()

  /** Which of the users of agents and previews is at the other end of a connection; -1 where it has hung up before that was clear. */
  const askerOf = async (connection: Connection): Promise<number | undefined> => {
    if (identities.level === 'same' || !isLocal(connection)) return undefined
    const user = (await peerUser(connection)) ?? -1
    return user === -1 || identities.owns(user) ? user : undefined
  }
  const showing = parts.use(await assemblePreviews(config, { own: paths.own, npm, path, env: networks.agents, sandbox, journal, log, askerOf }))

  const traces = parts.use(await assembleTraces(config))
  const tools: Tools = {
    root,
    journal,
    owner: `${journal.epoch} ${randomUUID()}`,
    agents,
    identities,
    sandbox,
    installing: {
      slot: `install-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`,
      npm,
      scripts: config.INSTALL_SCRIPTS,
      path,
      networkEnv: networks.installs,
      agentNetworkEnv: networks.agents,
    },
    rules: {
      silenceMs: config.RUN_TIMEOUT,
      limitMs: config.RUN_LIMIT,
      graceMs: config.INTERRUPT_GRACE_MS,
      retryBaseMs: config.RETRY_BASE_MS,
      attempts: ATTEMPTS,
      crashes: CRASHES,
      limitWaitMs: config.RATE_LIMIT_WAIT,
    },
    budgets: { command: config.MAX_COST_USD, thread: config.MAX_COST_USD_PER_THREAD, day: config.MAX_COST_USD_PER_DAY },
    steered: new Steered(),
    previews: showing.previews,
    preview: showing.rules,
    working: (ref) => engine.previews.wake(ref),
    spareAgent: config.SPARE_AGENT && config.AGENTS_KEPT > 0,
    author: { name: config.GIT_AUTHOR_NAME, email: config.GIT_AUTHOR_EMAIL },
    log,
    redact,
    get simulated() {
      return enteredKey?.simulated ?? config.simulated
    },
    holdsSecret: secrets.isIn,
    beginning: {
      origin: config.origin === undefined ? undefined : github.remoteFor(config.origin.url),
      example: config.origin === undefined ? await exampleSite(paths.own) : undefined,
    },
    remoteFor: github.remoteFor,
    pushWorkflows: config.PUSH_WORKFLOWS,
    room: new Room(root, paths.own, config.DISK_RESERVE_MB * 1_000_000),
    events: eventLogs(paths.events, journal.epoch, redact, (ref, event) => {
      issues?.hear(ref, event)
      traces.hear(ref, event)
    }),
    stopping: stopping.signal,
    prepared: new Map(),
    once: oneAtATime(),
  }
  const { metrics } = parts.use(assembleMetrics(config, tools))
  const waiting = new Waiting()
  const worker = await assembleQueues(config, tools)
  if (worker !== undefined) parts.use(worker)
  const http = (delivery: Delivery): void => waiting.deliver(delivery)
  const sqs: Deliver = async (delivery) => {
    http(delivery) // who asked for it by HTTP too
    if (worker === undefined) throw new Error('it goes to a queue, and this service was started without queues')
    await worker.deliver(delivery)
  }
  const pictureLinks = config.PUBLIC_URL !== undefined && config.PICTURES ? new PictureLinks(await linkKey(paths.own), config.PUBLIC_URL) : undefined
  const issues = vault === undefined ? undefined : parts.use(assembleGitHub(config, tools, () => engine, { ...github, vault, pictureLinks }))
  const toGitHub: Deliver = async (delivery) => {
    http(delivery)
    if (issues === undefined) throw new Error('it goes to GitHub, and this service was started without VAULT_KEY')
    await issues.deliver(delivery)
  }
  const outbox = new Outbox(journal, { http: async (delivery) => http(delivery), sqs, github: toGitHub }, log)
  const rules = { concurrency: config.CONCURRENCY, maxRuns: config.MAX_RUNS, minRunMs: config.MIN_RUN_MS, interruptsPerMinute: config.INTERRUPTS_PER_MINUTE }
  const engine: Engine = parts.use(new Engine(tools, outbox, rules))
  showing.find = (label) => engine.previews.find(label)
  await engine.start()
  parts.use(keepBounded(journal, config.HISTORY_DAYS * 24 * 60 * 60_000, log))

  const lastLook = async (): Promise<boolean> => (await worker?.lastLook()) ?? false
  const stay = async (): Promise<void> => worker?.stay()
  const gone = goneOf(config, worker, log)
  const idle = new Idle(engine, tools, { afterMs: config.AUTO_SHUTDOWN_MINUTES, push: config.PUSH_ON_SHUTDOWN, lastLook, stay, gone })

  const defaults = { clientId: config.CLIENT_ID, userId: config.USER_ID, projectId: config.PROJECT_ID, threadId: config.THREAD_ID }
  const setUp = setUpOf(config, vault)
  const jobs = new Jobs({ engine, tools, waiting })
  const list = (text: string): readonly string[] =>
    text
      .split(',')
      .map((each) => each.trim())
      .filter((each) => each !== '')
  const allowed = list(config.ALLOWED_HOSTS)
  const threadLinks = callers.open ? undefined : new ThreadLinks(await linkKey(paths.own))
  const app = httpApp(
    {
      engine,
      tools,
      waiting,
      defaults,
      version,
      metrics,
      jobs,
      github: { ...github, vault, issues, keepSecret: (value) => secrets.keep(value), setUp },
      previewLink: showing.access?.link.bind(showing.access),
      pictureLinks,
      threadLinks,
      enteredKey,
      publicUrl: config.PUBLIC_URL,
      presence: new Presence(),
      console: consoleReader(),
      previewOrigins: showing.origins,
      stopping: stopping.signal,
    },
    threadLinks === undefined ? callers : callers.withLinks(threadLinks),
    {
      hosts: callers.open || allowed.length > 0 ? [config.HOST, ...allowed, ...publicHost(config)] : undefined,
      origins: list(config.CORS_ORIGINS),
      touched: () => idle.touch(),
      isAgent: async (connection) => {
        if (identities.level === 'same' || !isLocal(connection)) return false
        const user = await peerUser(connection)
        return user === undefined || identities.owns(user)
      },
    },
  )
  const listening = config.PORT === 'off' ? undefined : parts.use(await listen(app, config.HOST, config.PORT))
  showing.serviceUrl = listening?.url
  // Stopped in this order: no messages are taken, runs are interrupted and saved and their results delivered, then open requests end.
  parts.defer(() => stopping.abort())
  if (config.ECS_AGENT_URI !== undefined) parts.use(protectTask(config.ECS_AGENT_URI, () => engine.counts().running > 0, log))
  parts.use(keepHealthFile(paths.health, async () => ({ status: await engine.health(), epoch: journal.epoch, queues: worker?.health })))
  parts.use(jobs)
  parts.use(engine) // before what it is called by; where that could not start, the first one stops it
  parts.defer(() => worker?.stopListening())
  await worker?.start(engine, { ring: () => outbox.ring(), touched: () => idle.touch() })
  await issues?.start()
  parts.use(idle).start()
  const started = parts.move()
  return {
    url: listening?.url,
    simulated: tools.simulated,
    previewUrl: showing.url,
    github: await githubLine(config, vault, setUp),
    deadLetterQueue: await worker?.deadLetterQueue().catch(() => undefined), // SQS cannot be asked now; letters wait until it can
    identities,
    sandbox,
    lost: journal.lost,
    idle: idle.over,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** What leads installs, and agents with their builds, to the network: by the machine's own ways, or by the hosts of EGRESS_ALLOW alone. */
async function networksOf(config: Config, log: Log) {
  if (config.egress === undefined) return { installs: config.networkEnv, agents: config.agentNetworkEnv, [Symbol.asyncDispose]: async () => {} }
  const egress = new Egress({ rules: config.egress, machine: machineProxy(config.networkEnv), log })
  await egress.start()
  const certificates = Object.fromEntries(Object.entries(config.networkEnv).filter(([name]) => !/_proxy$/i.test(name)))
  const env = { ...certificates, ...egress.env }
  return { installs: env, agents: env, [Symbol.asyncDispose]: () => egress[Symbol.asyncDispose]() }
}

function agentEnv(config: Config, networkEnv: Readonly<Record<string, string>>): Record<string, string> {
  const tokens = config.CLAUDE_CODE_MAX_OUTPUT_TOKENS
  return { ...networkEnv, NO_PROXY: '127.0.0.1,localhost', ...(tokens === undefined ? {} : { CLAUDE_CODE_MAX_OUTPUT_TOKENS: String(tokens) }) }
}

async function makeFolders(root: string): Promise<void> {
  const { own, store, templates } = servicePaths(root)
  try {
    for (const folder of [root, own]) await passage(folder)
    for (const folder of [store, templates]) await mkdir(folder, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw new BadConfiguration([`WORKSPACE_PATH: ${root} cannot be used as a folder (${messageOf(error)})`])
  }
}
