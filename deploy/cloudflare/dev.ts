// The Worker in workerd on this machine, with real services as its containers: `npm run dev:cloudflare [-- --port 8787]`.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, parseEnv } from 'node:util'
import { installWrangler } from '../../scripts/folder-packages.ts'
import { startLocalContainers } from './local-containers.ts'
import { startLocalWorker } from './local-worker.ts'
import { MODEL_SECRETS, settingsProblems } from './worker/settings.ts'
import { environment, machineEnvironment } from './wrangler.ts'

const VARIABLES = join(import.meta.dirname, '.dev.vars')
/** Away from those of a service that runs beside it. */
const FIRST_USER_ID = 25_000
/** Webhooks do not reach this machine, so GitHub's log is looked through as often. */
const MISSED_MS = 20_000
const MOST = 3

const { values } = parseArgs({ options: { port: { type: 'string', default: '8787' } } })
const say = (text: string): void => void process.stdout.write(text)

installWrangler(resolve(import.meta.dirname, '..', '..'))
if (!existsSync(VARIABLES)) {
  const made = `API_TOKEN=${randomBytes(24).toString('base64url')}\nVAULT_KEY=${randomBytes(32).toString('base64')}\n`
  writeFileSync(VARIABLES, made, { mode: 0o600 })
  say(`Made ${VARIABLES}; .dev.vars.example says what may stand there.\n`)
}
const own = Object.fromEntries(
  Object.entries(parseEnv(readFileSync(VARIABLES, 'utf8'))).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
)
const model = Object.fromEntries(
  MODEL_SECRETS.flatMap((name) => {
    const value = own[name] ?? environment[name]
    return value === undefined ? [] : [[name, value]]
  }),
)
const simulated = Object.keys(model).length === 0

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort()) // it may come twice; what lies about is removed first

const settings = { MAX_CONTAINERS: String(MOST), SIMULATION: String(simulated), ...own }
const problems = settingsProblems({ ...settings, ...model, LOCAL_CONTAINERS: 'http://127.0.0.1' })
if (problems.length > 0) {
  say(`${VARIABLES} has problems; the Worker is not started.\n${problems.map((each) => `  ${each}\n`).join('')}`)
  process.exit(1)
}

await using parts = new AsyncDisposableStack()
const containers = parts.use(
  await startLocalContainers({
    most: Number(settings.MAX_CONTAINERS),
    env: { ...machineEnvironment(), ...model },
    firstUserId: FIRST_USER_ID,
    onOutput: (name, output) => say(output.replaceAll(/^/gm, `[${name}] `)),
  }),
)
const variables = { ...settings, LOCAL_CONTAINERS: containers.url }
const persistTo = join(import.meta.dirname, '.wrangler', 'state')
const worker = parts.use(
  await startLocalWorker({ variables, persistTo, port: Number(values.port), env: machineEnvironment(), onOutput: say }).catch(async (error: Error) => {
    await parts.disposeAsync()
    say(`\nThe Worker could not be started: ${error.message.split('\n', 1)[0]}\n`) // all that wrangler said is above
    process.exit(1)
  }),
)
say(`
The Worker is ready at ${worker.url}${simulated ? ' (simulated: no credential of a model is set)' : ''}
  token      API_TOKEN in ${VARIABLES}
  containers up to ${settings.MAX_CONTAINERS}, each a service of its own on this machine

Tell it which GitHub App it is:
  API_TOKEN=… npx branchline config set --url ${worker.url} --app-id … --private-key-file … --webhook-secret-file …
`)

void worker.ended.then(() => {
  if (!stop.signal.aborted) say('The Worker has ended; the reason is above.\n')
  stop.abort()
})
while (!stop.signal.aborted) {
  await fetch(`${worker.url}/cdn-cgi/local/scheduled`).then(
    (answer) => answer.body?.cancel(),
    () => {}, // it is being reloaded
  )
  await delay(MISSED_MS, undefined, { signal: stop.signal }).catch(() => {}) // stopped
}
