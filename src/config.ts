import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { BedrockAccess } from './agent/bedrock.ts'
import type { Credential, MessagesApi } from './agent/upstream.ts'
import { settingsProblems } from './agent/settings.ts'
import { githubUrl } from './git/github-url.ts'
import type { Remote } from './git/remote.ts'
import { inWords } from './command/words.ts'
import { findChromium } from './preview/picture.ts'
import { isFifo } from './queues/aws.ts'
import { containerIdOf } from './queues/names.ts'
import { whoIsServed } from './served.ts'
import type { Queues } from './ways/sqs/worker.ts'
import { ruleForUrl, type EgressRule } from './network/egress-rules.ts'
import { VARIABLES, type Values } from './variables.ts'
import { BadRepositoryUrl, operatorOrigin } from './workspace/origin.ts'

export const loopback = (host: string): boolean => host === '127.0.0.1' || host === '::1' || host === 'localhost'

/** What lets programs reach the network as this machine does. */
const PASSED_ON = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  // How npm, which may have started us, reaches its registry.
  'npm_config_cafile',
  'npm_config_registry',
]

/** Read by Amazon's own way of finding credentials; here for redaction alone. */
const AWS_SECRETS = ['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']

/** What only a look at this machine, or at somebody else's, can tell of a configuration. */
export interface Place {
  readonly workspacePath: string
  /** Where no credential is given for it. */
  readonly openOrigin: string | undefined
}

/** The environment has problems; all of them. */
export class BadConfiguration extends Error {
  readonly problems: readonly string[]
  /** Where the service was to work, as far as that is known. */
  readonly place: Place | undefined
  constructor(problems: readonly string[], place?: Place) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    )
    this.name = 'BadConfiguration'
    this.problems = problems
    this.place = place
  }
}

/** Of a lease in a table, where nothing else is said. */
const TABLE_LEASE_SECONDS = 30

/** npm's, where its environment names no other. */
const REGISTRY = 'https://registry.npmjs.org'

export interface Config extends Omit<Values, 'REPO_URL' | 'EGRESS_ALLOW' | 'LEASE_TTL_SECONDS'>, Place {
  /** Where messages come from besides HTTP. */
  readonly queues: Queues | undefined
  /** The table that keeps the journal, and under which name. */
  readonly journalTable: { readonly table: string; readonly key: string } | undefined
  /** How long an owner of the workspace that is not heard of is waited for; 0 where one machine uses it. */
  readonly leaseTtlMs: number
  /** Hosts that agents, installs and builds may reach; `undefined` for any. */
  readonly egress: readonly EgressRule[] | undefined
  readonly simulated: boolean
  /** Neither a credential of a model nor SIMULATION was set, so that a person may enter a key. */
  readonly keyWanted: boolean
  readonly upstream: MessagesApi | BedrockAccess
  readonly origin: Remote | undefined
  /** Variables that let programs reach the network as this machine does. */
  readonly networkEnv: Readonly<Record<string, string>>
  /** The same for what agents may read: without proxies whose address holds a password. */
  readonly agentNetworkEnv: Readonly<Record<string, string>>
  /** Every secret value, for redaction. */
  readonly secrets: readonly string[]
  /** `npm-cli.js` as npm names it to what it starts. */
  readonly npmCli: string | undefined
}

/**
 * Reads the environment once.
 *
 * @throws BadConfiguration that lists everything that is wrong
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env, { httpOnly = false } = {}): Config {
  const problems: string[] = []
  const given = withFiles(httpOnly ? { ...environment, INPUT_QUEUE_URL: '', OUTPUT_QUEUE_URL: '', QUEUE_TABLE: '' } : environment, problems)
  const parsed: Record<string, unknown> = {}
  for (const [name, { shape }] of Object.entries(VARIABLES)) {
    const { success, data, error } = shape.safeParse(given[name], { error: inWords })
    if (success) parsed[name] = data
    else problems.push(...error.issues.map((issue) => `${name}: ${issue.message}`))
  }
  const values = parsed as Values // oxlint-disable-line typescript/no-unsafe-type-assertion -- what is missing is a problem, and with one of those nothing is returned
  const origin = readOrigin(values, problems)
  const who = whoIsServed(values, problems)
  const queues = readQueues(values, problems)
  if (values.PORT === 'off' && queues === undefined) problems.push('PORT: is off, so INPUT_QUEUE_URL and OUTPUT_QUEUE_URL, or QUEUE_TABLE, must be set')
  if (values.PORT !== 'off' && !loopback(values.HOST) && values.API_TOKEN === undefined && values.API_TOKENS_FILE === undefined) {
    problems.push(`HOST: ${values.HOST} can be reached by others, so API_TOKEN or API_TOKENS_FILE must be set`)
  }
  if (values.PUBLIC_URL !== undefined && given['API_TOKEN'] === undefined && values.API_TOKENS_FILE === undefined)
    problems.push('PUBLIC_URL: others can reach the service, so API_TOKEN or API_TOKENS_FILE must be set')
  const credential = credentialOf(values)
  const real = credential !== undefined || given['ANTHROPIC_BASE_URL'] !== undefined || values.CLAUDE_CODE_USE_BEDROCK
  if (values.SIMULATION === false && !real) {
    problems.push('SIMULATION: is false, so ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN or CLAUDE_CODE_USE_BEDROCK must be set')
  }
  if ((values.ECS_CLUSTER === undefined) !== (values.ECS_SERVICE === undefined))
    problems.push(`${values.ECS_CLUSTER === undefined ? 'ECS_CLUSTER' : 'ECS_SERVICE'}: is needed, because the other one of ECS_CLUSTER and ECS_SERVICE is set`)
  const inAws = values.CLAUDE_CODE_USE_BEDROCK ? 'CLAUDE_CODE_USE_BEDROCK' : queues !== undefined ? 'a queue' : values.JOURNAL_TABLE && 'JOURNAL_TABLE'
  if (inAws !== undefined && given['AWS_REGION'] === undefined) problems.push(`AWS_REGION: ${inAws} is set, so the region must be too, such as us-east-1`)
  if (typeof values.ASTRO_PORT === 'number' && values.ASTRO_PORT !== 0 && values.ASTRO_PORT === values.PORT) {
    problems.push(`ASTRO_PORT: ${values.ASTRO_PORT} is PORT too; previews run what agents write, so they are never where the API is`)
  }
  if (typeof values.HMR_PORT === 'number' && values.HMR_PORT !== 0 && values.HMR_PORT === values.PORT) problems.push(`HMR_PORT: ${values.HMR_PORT} is PORT too`)
  if (values.PICTURES && findChromium() === undefined) {
    problems.push('PICTURES: is true, and no Chromium or Chrome is found on this machine (Debian: apt-get install chromium)')
  }
  if (values.AGENT_SETTINGS_FILE !== undefined) {
    problems.push(...settingsProblems(values.AGENT_SETTINGS_FILE).map((problem) => `AGENT_SETTINGS_FILE: ${problem}`))
  }
  const place = {
    workspacePath: resolve(values.WORKSPACE_PATH ?? ''),
    openOrigin: withoutCredential(values, origin) ? origin?.url : undefined,
  }
  if (problems.length > 0) throw new BadConfiguration(problems, parsed['WORKSPACE_PATH'] === undefined ? undefined : place)
  const { REPO_URL, EGRESS_ALLOW, LEASE_TTL_SECONDS, ...rest } = { ...values, ...who }
  const [table, key] = [values.JOURNAL_TABLE, containerOf(values)]
  const always = [REGISTRY, environment['npm_config_registry'], origin?.url, githubUrl(values.GITHUB_API_URL)]
  const network = PASSED_ON.flatMap((name) => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const passwords = network.map(([, value]) => decodeURIComponent(URL.parse(value)?.password ?? ''))
  return {
    ...rest,
    queues,
    journalTable: table === undefined || key === undefined ? undefined : { table, key },
    leaseTtlMs: (LEASE_TTL_SECONDS ?? (table === undefined ? 0 : TABLE_LEASE_SECONDS)) * 1000,
    ...place,
    simulated: values.SIMULATION ?? !real,
    keyWanted: values.SIMULATION === undefined && !real,
    upstream: values.CLAUDE_CODE_USE_BEDROCK ? bedrockAccess(values) : { kind: 'anthropic', url: values.ANTHROPIC_BASE_URL, credential },
    origin,
    egress: EGRESS_ALLOW === undefined ? undefined : [...EGRESS_ALLOW, ...always.flatMap((url) => (url === undefined ? [] : ruleForUrl(url)))],
    networkEnv: Object.fromEntries(network),
    agentNetworkEnv: Object.fromEntries(network.filter((_, at) => passwords[at] === '')),
    secrets: [
      ...secretsOf(values, REPO_URL, origin),
      ...[...passwords, ...AWS_SECRETS.map((name) => environment[name] ?? '')].filter((secret) => secret !== ''),
    ],
    npmCli: environment['npm_execpath'],
  }
}

/** Values by name; empty means not set where it means nothing else, `NAME_FILE` stands for a secret. */
function withFiles(environment: Readonly<Record<string, string | undefined>>, problems: string[]): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const [value, file] = [environment[name], 'secret' in variable ? environment[`${name}_FILE`] : undefined]
    if (value !== undefined && (value !== '' || 'emptyCounts' in variable)) given[name] = value
    else if (file !== undefined && file !== '') {
      try {
        given[name] = readFileSync(file, 'utf8').trim()
      } catch (error) {
        problems.push(`${name}_FILE: cannot be read (${error instanceof Error ? error.message : String(error)})`)
      }
    }
  }
  return given
}

/** The name under which tables know this container; the three ids say it too. */
function containerOf({ CONTAINER_ID, CLIENT_ID: clientId, PROJECT_ID: projectId, USER_ID: userId }: Values): string | undefined {
  if (CONTAINER_ID !== undefined || clientId === undefined || projectId === undefined || userId === undefined) return CONTAINER_ID
  return containerIdOf({ clientId, projectId, userId })
}

/** The pair of queues, or the table in which those of threads are found. */
function readQueues(values: Values, problems: string[]): Queues | undefined {
  const { INPUT_QUEUE_URL: input, OUTPUT_QUEUE_URL: output, QUEUE_TABLE: table, QUEUE_ACK } = values
  const containerId = containerOf(values)
  if (values.JOURNAL_TABLE !== undefined && containerId === undefined)
    problems.push('CONTAINER_ID: is needed, because JOURNAL_TABLE is set (or CLIENT_ID, PROJECT_ID and USER_ID)')
  if (values.JOURNAL_TABLE !== undefined && values.LEASE_TTL_SECONDS === 0) problems.push('LEASE_TTL_SECONDS: must be more than 0 with JOURNAL_TABLE')
  if (input !== undefined && output !== undefined) {
    if (QUEUE_ACK === 'result' && isFifo(input))
      problems.push('QUEUE_ACK: must be recorded for a FIFO queue; a message that is kept there holds back the next one of its thread, the interrupting one')
    if (input === output) problems.push('OUTPUT_QUEUE_URL: must be another queue than INPUT_QUEUE_URL')
    if (values.DLQ_URL === input || values.DLQ_URL === output) problems.push('DLQ_URL: must be another queue than those of messages and results')
    return { kind: 'pair', input, output }
  }
  if (input !== undefined || output !== undefined)
    problems.push(`${input === undefined ? 'INPUT' : 'OUTPUT'}_QUEUE_URL: is needed, because ${input === undefined ? 'OUTPUT' : 'INPUT'}_QUEUE_URL is set`)
  else if (table !== undefined && containerId === undefined)
    problems.push('CONTAINER_ID: is needed, because QUEUE_TABLE is set (or CLIENT_ID, PROJECT_ID and USER_ID)')
  else if (table !== undefined && containerId !== undefined) return { kind: 'table', table, containerId }
  return undefined
}

function readOrigin(values: Values, problems: string[]): Remote | undefined {
  if (values.REPO_URL === undefined) return undefined
  try {
    return operatorOrigin(values.REPO_URL, { url: githubUrl(values.GITHUB_API_URL) })
  } catch (error) {
    if (!(error instanceof BadRepositoryUrl)) throw error
    problems.push(`REPO_URL: ${error.message}`)
    return undefined
  }
}

/** Whether nothing is given that would open a repository behind a URL: in it, as a token of GitHub, or in the vault. */
function withoutCredential({ GITHUB_TOKEN, GITHUB_API_URL, VAULT_KEY }: Values, origin: Remote | undefined): boolean {
  if (origin === undefined || origin.authorization !== undefined || !/^https?:/.test(origin.url)) return false
  const onGitHub = origin.url.startsWith(`${githubUrl(GITHUB_API_URL)}/`)
  return !(onGitHub && (GITHUB_TOKEN !== undefined || VAULT_KEY !== undefined))
}

function credentialOf(values: Values): Credential | undefined {
  if (values.ANTHROPIC_API_KEY !== undefined) return { header: 'x-api-key', value: values.ANTHROPIC_API_KEY }
  if (values.ANTHROPIC_AUTH_TOKEN !== undefined) return { header: 'authorization', value: values.ANTHROPIC_AUTH_TOKEN }
  if (values.CLAUDE_CODE_OAUTH_TOKEN !== undefined) return { header: 'authorization', value: values.CLAUDE_CODE_OAUTH_TOKEN, oauth: true }
  return undefined
}

function bedrockAccess(values: Values): BedrockAccess {
  const region = values.AWS_REGION ?? ''
  const url = values.ANTHROPIC_BEDROCK_BASE_URL ?? `https://bedrock-runtime.${region}.amazonaws.com`
  return { kind: 'bedrock', url, region, bearer: values.AWS_BEARER_TOKEN_BEDROCK }
}

function secretsOf(values: Values, repoUrl: string | undefined, origin: Remote | undefined): readonly string[] {
  const own = Object.entries(VARIABLES).flatMap(([name, variable]) => ('secret' in variable && name !== 'REPO_URL' ? [Reflect.get(values, name)] : []))
  const url = repoUrl === undefined ? null : URL.parse(repoUrl)
  const inUrl = url === null ? [] : [decodeURIComponent(url.password), url.password === '' ? decodeURIComponent(url.username) : '']
  const basic = typeof origin?.authorization === 'string' ? origin.authorization.replace(/^Basic /, '') : ''
  const headers = Object.values(values.OTEL_EXPORTER_OTLP_HEADERS)
  return [...own, ...headers, ...inUrl, basic].filter((value) => typeof value === 'string' && value !== '')
}
