import { mkdir, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { Bedrock } from '../agent/bedrock.ts'
import { findClaudeCode } from '../agent/binary.ts'
import { readConfig, type Config } from '../config.ts'
import { SYSTEM_PATH } from '../git/git.ts'
import { checkGitHub } from './doctor-github.ts'
import { checkQueues } from './doctor-queues.ts'
import { messageOf } from '../observe/text.ts'
import { findIdentities } from '../process/identity.ts'
import { raisePowers } from '../process/powers.ts'
import { findSandbox, programFolders } from '../process/sandbox.ts'
import { run } from '../process/run.ts'
import { findNpm } from '../workspace/npm.ts'

/** What a check found: fine, worth knowing, or in the way; with what to do about it. */
type Finding = { readonly level: 'ok' | 'note' | 'wrong'; readonly text: string }

const ok = (text: string): Finding => ({ level: 'ok', text })
const note = (text: string): Finding => ({ level: 'note', text })
const wrong = (text: string): Finding => ({ level: 'wrong', text })

const MIN_GIT = [2, 38] as const
const MIN_FREE_BYTES = 2_000_000_000

/** Looks at everything the service needs on this machine. Answers 1 where something would keep it from working. */
export async function doctor(): Promise<number> {
  await raisePowers()
  let config: Config
  try {
    config = readConfig()
  } catch (error) {
    process.stdout.write(`✗ ${messageOf(error)}\n`)
    return 1
  }
  const checks: readonly (readonly [string, () => Promise<Finding>])[] = [
    ['node', async () => ok(process.version)],
    ['git', git],
    ['agent', () => agent(config)],
    ['model', () => model(config)],
    ['npm', async () => ok(findNpm(config.npmCli))],
    ['workspace', () => workspace(config)],
    ['port', () => port(config)],
    ['users', () => users(config)],
    ['sandbox', () => sandbox(config)],
    ...(config.VAULT_KEY === undefined ? [] : [['github', () => github(config)] as const]),
    ...(config.queues === undefined && config.journalTable === undefined ? [] : [['queues', async () => ok(await checkQueues(config))] as const]),
  ]
  let failed = false
  for (const [name, check] of checks) {
    const { level, text } = await check().catch((error: unknown) => wrong(messageOf(error)))
    failed ||= level === 'wrong'
    process.stdout.write(`${{ ok: '✓', note: '·', wrong: '✗' }[level]} ${name.padEnd(10)} ${text}\n`)
  }
  return failed ? 1 : 0
}

async function github(config: Config): Promise<Finding> {
  const { app, text } = await checkGitHub(config)
  return app ? ok(text) : note(text)
}

async function git(): Promise<Finding> {
  const { stdout } = await run('git', ['--version'], { cwd: '/', env: { PATH: SYSTEM_PATH } })
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout.toString('utf8')) ?? []
  const text = stdout.toString('utf8').trim()
  const recent = Number(major) > MIN_GIT[0] || (Number(major) === MIN_GIT[0] && Number(minor) >= MIN_GIT[1])
  return recent ? ok(text) : wrong(`${text} is too old; install git ${MIN_GIT.join('.')} or newer`)
}

async function agent({ CLAUDE_CODE_PATH }: Config): Promise<Finding> {
  const binary = CLAUDE_CODE_PATH ?? findClaudeCode()
  const { code, stdout, stderr } = await run(binary, ['--version'], {
    cwd: '/',
    env: { HOME: '/nonexistent', PATH: SYSTEM_PATH, DISABLE_AUTOUPDATER: '1' },
    timeoutMs: 30_000,
  })
  return code === 0 ? ok(stdout.toString('utf8').trim()) : wrong(`${binary} does not start: ${stderr.toString('utf8').slice(0, 300)}`)
}

async function model(config: Config): Promise<Finding> {
  if (config.simulated)
    return note('simulation: set ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, CLAUDE_CODE_OAUTH_TOKEN or CLAUDE_CODE_USE_BEDROCK to use a real model')
  if (config.upstream.kind === 'bedrock') {
    await new Bedrock(config.upstream).check()
    return ok(`${config.upstream.url}, with ${config.upstream.bearer === undefined ? 'AWS credentials' : 'a key of Bedrock'}`)
  }
  return ok(
    `${config.upstream.url}, with ${config.upstream.credential === undefined ? 'no credential' : `a credential in ${config.upstream.credential.header}`}`,
  )
}

async function workspace({ workspacePath }: Config): Promise<Finding> {
  await mkdir(workspacePath, { recursive: true })
  const { bavail, bsize } = await statfs(workspacePath)
  const free = bavail * bsize
  const text = `${workspacePath}, ${(free / 1e9).toFixed(1)} GB free`
  return free < MIN_FREE_BYTES ? wrong(`${text}: make room, at least ${MIN_FREE_BYTES / 1e9} GB`) : ok(text)
}

async function port({ HOST, PORT }: Config): Promise<Finding> {
  if (PORT === 'off') return ok('none: messages come from queues')
  const server = createServer()
  server.listen(PORT, HOST)
  try {
    await once(server, 'listening')
    return ok(`${HOST}:${PORT} is free`)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      return note(`${HOST}:${PORT} is in use: by a running Branchline, or set PORT to another number`)
    return wrong(`${HOST}:${PORT} cannot be listened on: ${messageOf(error)}`)
  } finally {
    server.close()
  }
}

async function sandbox({ CLAUDE_CODE_PATH, SANDBOX, ISOLATION, FIRST_USER_ID, workspacePath, npmCli }: Config): Promise<Finding> {
  if (SANDBOX === 'off') return note('agents see the files of this machine as their user does; set SANDBOX=bubblewrap to hide them')
  const [binary, npm] = [CLAUDE_CODE_PATH ?? findClaudeCode(), findNpm(npmCli)]
  const identities = await findIdentities(ISOLATION, FIRST_USER_ID, { workspace: workspacePath, programs: [binary, process.execPath, dirname(npm)] })
  const { level } = await findSandbox(SANDBOX, identities.agent(0), { workspace: workspacePath, programs: programFolders(process.execPath, binary, npm) })
  return ok(
    level === 'processes'
      ? 'bubblewrap, with processes of its own'
      : 'bubblewrap; processes of this machine are seen, because no namespace for them can be had',
  )
}

async function users({ CLAUDE_CODE_PATH, ISOLATION, FIRST_USER_ID, workspacePath, npmCli }: Config): Promise<Finding> {
  const { level, reason } = await findIdentities(ISOLATION, FIRST_USER_ID, {
    workspace: workspacePath,
    programs: [CLAUDE_CODE_PATH ?? findClaudeCode(), process.execPath, dirname(findNpm(npmCli))],
  })
  if (level === 'separate') return ok('agents run as users of their own')
  return note(`agents run as this user (${reason ?? ''}); run as root, in a folder that other users can reach, to separate them`)
}
