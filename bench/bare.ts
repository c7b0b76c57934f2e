import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { query, type Options, type Query, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'
import { findClaudeCode } from '../src/agent/binary.ts'
import { Mailbox } from '../src/agent/mailbox.ts'

const exec = promisify(execFile)
const TOOLS = ['Bash', 'Read', 'Edit', 'Write', 'Glob', 'Grep']
const SETTINGS = { cleanupPeriodDays: 3650, crossSessionInbound: 'refuse' } as const

/** Claude Code without any service: a work tree, folders of its own, and the model. */
export interface BarePlace {
  readonly workTree: string
  readonly env: Readonly<Record<string, string>>
  readonly sessionId: string
}

export async function makeBarePlace(folder: string, repository: string, modelUrl: string): Promise<BarePlace> {
  const [workTree, home, config, tmp] = [join(folder, 'tree'), join(folder, 'home'), join(folder, 'config'), join(folder, 'tmp')]
  for (const path of [home, config, tmp]) await mkdir(path, { recursive: true })
  await exec('git', ['clone', '-q', '--', repository, workTree])
  const env = {
    PATH: process.env['PATH'] ?? '',
    LANG: 'C.UTF-8',
    HOME: home,
    TMPDIR: tmp,
    CLAUDE_CONFIG_DIR: config,
    ANTHROPIC_BASE_URL: modelUrl,
    ANTHROPIC_API_KEY: 'bench',
    DISABLE_TELEMETRY: '1',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
    CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS: '1',
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    CLAUDE_ENABLE_BYTE_WATCHDOG: '1',
    CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: '60000',
    CLAUDE_CODE_MAX_RETRIES: '5',
    ...(process.getuid?.() === 0 ? { IS_SANDBOX: '1' } : {}), // it refuses to run unattended as root otherwise
  }
  return { workTree, env, sessionId: randomUUID() }
}

/** A living process of Claude Code under the bare SDK, with the options that the service gives it. */
export class BareAgent implements AsyncDisposable {
  readonly #prompts = new Mailbox<SDKUserMessage>()
  readonly #query: Query
  readonly #over: Promise<void>
  #child: ChildProcess | undefined
  #result = Promise.withResolvers<void>()

  constructor({ workTree, env, sessionId }: BarePlace, goOn = false) {
    const options: Options = {
      pathToClaudeCodeExecutable: findClaudeCode(),
      spawnClaudeCodeProcess: ({ command, args, cwd, env: given }) => {
        const child = spawn(command, args, { cwd, env: given, stdio: ['pipe', 'pipe', 'ignore'] })
        this.#child = child
        return child
      },
      cwd: workTree,
      env: { ...env },
      settingSources: [],
      settings: SETTINGS,
      strictMcpConfig: true,
      tools: TOOLS,
      permissionMode: 'bypassPermissions',
      allowDangerouslySkipPermissions: true,
      systemPrompt: { type: 'preset', preset: 'claude_code', append: 'Nobody can answer while you work.' },
      includePartialMessages: true,
      ...(goOn ? { resume: sessionId } : { sessionId }),
    }
    this.#query = query({ prompt: this.#prompts, options })
    this.#over = this.#read()
  }

  /** Resolves when the process has been started and waits. */
  async ready(): Promise<void> {
    await this.#query.initializationResult()
  }

  /** Sends a message; resolves with the end of its turn, whatever that is. */
  send(text: string): Promise<void> {
    this.#result = Promise.withResolvers<void>()
    this.#prompts.put({ type: 'user', message: { role: 'user', content: [{ type: 'text', text }] }, parent_tool_use_id: null })
    return this.#result.promise
  }

  async interrupt(): Promise<void> {
    await this.#query.interrupt()
  }

  async #read(): Promise<void> {
    try {
      for await (const message of this.#query) if (message.type === 'result') this.#result.resolve()
    } catch (error) {
      this.#result.reject(error)
    }
    this.#result.reject(new Error('Claude Code ended without a result'))
    this.#result.promise.catch(() => {}) // nobody waits for one once it is closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    const gone = child === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : once(child, 'exit')
    this.#prompts.close()
    this.#query.close()
    child?.kill('SIGKILL')
    await gone
    await this.#over
  }
}

/** One `claude -p`, started for this message; resolves when it has answered and ended. */
export async function askClaude({ workTree, env, sessionId }: BarePlace, text: string, goOn: boolean): Promise<void> {
  const args = ['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose', '--include-partial-messages', '--setting-sources=']
  args.push('--strict-mcp-config', `--tools=${TOOLS.join(',')}`, '--dangerously-skip-permissions')
  args.push('--settings', JSON.stringify({ ...SETTINGS, attribution: false }), goOn ? '--resume' : '--session-id', sessionId)
  const child = spawn(findClaudeCode(), args, { cwd: workTree, env: { ...env }, stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(`${JSON.stringify({ type: 'user', message: { role: 'user', content: [{ type: 'text', text }] }, parent_tool_use_id: null })}\n`)
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`claude -p ended with ${code}`)
}
