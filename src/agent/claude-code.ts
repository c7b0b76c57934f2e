import { setImmediate as immediately, setTimeout as delay } from 'node:timers/promises'
import { query, type HookCallback, type Options, type Query, type SDKMessage, type SDKUserMessage, type SpawnOptions } from '@anthropic-ai/claude-agent-sdk'
import { endAll, family, type Slot } from '../process/end-all.ts'
import { halt, resume } from '../process/halt.ts'
import { start, type Child } from '../process/start.ts'
import { Mailbox } from './mailbox.ts'
import { diedEnd, turnEnd, type TurnEnd } from './turn-end.ts'

export interface AgentOptions {
  readonly binary: string
  readonly workTree: string
  readonly slot: Slot
  /** The whole environment of the process; it holds no credential. */
  readonly env: Readonly<Record<string, string>>
  /** What the process shows to the broker; handed over through a pipe that only it can read, once. */
  readonly token: string
  /** The program and its arguments as they are to be started. */
  readonly sandboxed: (file: string, args: readonly string[]) => readonly [string, readonly string[]]
  readonly sessionId: string
  /** Go on with the conversation of that id instead of beginning it. */
  readonly resume: boolean
  readonly maxBudgetUsd?: number | undefined
  readonly model?: string | undefined
}

export type Content = Exclude<SDKUserMessage['message']['content'], string>

export interface Turn {
  readonly content: Content
  readonly mode: 'execute' | 'plan'
  /** Ends the turn early; the agent stays where it answers to that. */
  readonly stop: AbortSignal
  /** Ends the turn where nothing is heard from the agent for this long. */
  readonly silenceMs: number
  /** How long the agent may take to answer an interrupt. */
  readonly graceMs: number
  readonly onMessage: (message: SDKMessage) => void
  /** The agent waits for it: before a shell command, after each tool that may change files. Must not reject. */
  readonly onTool: (use: ToolUse) => Promise<void>
}

/** A tool that the agent is about to use, or has used. */
export interface ToolUse {
  readonly when: 'before' | 'after'
  readonly tool: string
  readonly input: unknown
}

const TOOLS = ['Bash', 'Read', 'Edit', 'Write', 'Glob', 'Grep']
const GUIDANCE = [
  'You work in a checkout of your own, on a branch of its own. The service around you saves every file you leave there as one commit when you have finished, and pushes it when it is told to: do not commit, push or switch branches yourself.',
  'Everything you start is ended with your turn, so leave no servers or watchers running.',
  'Nobody can answer while you work. Begin your last message with one line of at most 72 characters that says what you changed, fit for the subject of a commit.',
].join('\n')

/** How often an interrupt is said again: one that overtakes the message it is meant for would be forgotten. */
const REPEAT_MS = 250
/** How often it is looked whether the agent is silent. */
const SILENCE_TICK_MS = 1000
/** Of its grace, what an agent that does not answer gets after SIGINT. */
const SIGNAL_GRACE_MS = 1000

/** One living process of Claude Code: one conversation, one work tree, one turn at a time. */
export class Agent implements AsyncDisposable {
  readonly sessionId: string
  readonly #slot: Slot
  readonly #query: Query
  readonly #prompts = new Mailbox<SDKUserMessage>()
  readonly #gone: Promise<string>
  #child: Child | undefined
  /** The process and the children that it had before its first message; whatever else appears belongs to a turn. */
  #kept: ReadonlySet<number> | undefined
  #mode: Turn['mode'] = 'execute'
  #hear: (message: SDKMessage) => void = () => {}
  #note: (use: ToolUse) => Promise<void> = async () => {}
  #alive = true

  constructor(options: AgentOptions) {
    this.sessionId = options.sessionId
    this.#slot = options.slot
    this.#query = query({
      prompt: this.#prompts,
      options: { ...sdkOptions(options, (spawn) => (this.#child = startClaudeCode(spawn, options))), hooks: hooks((use) => this.#note(use)) },
    })
    this.#gone = this.#read()
  }

  get alive(): boolean {
    return this.#alive
  }

  /** The process, where it has one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The process and the children that belong to it and to no turn. */
  get kept(): ReadonlySet<number> {
    return this.#kept ?? new Set(this.#child?.pid === undefined ? [] : [this.#child.pid])
  }

  /** Resolves when the process is ready for a message. */
  async ready(): Promise<void> {
    await Promise.race([this.#query.initializationResult(), this.#gone])
  }

  /** Sends one message and waits for the end of the agent's turn, whatever it is. Nothing but the idle agent is alive then. */
  async turn(turn: Turn): Promise<TurnEnd> {
    resume(this.#kept)
    const early = await this.#begun(turn.stop)
    if (early !== undefined) return early
    if (this.#child?.pid !== undefined) this.#kept ??= await family(this.#child.pid, this.#slot)
    const end = await this.#converse(turn)
    const keep = this.#alive && end.kind !== 'silent' && (await halt(this.#kept)) ? this.#kept : undefined
    await endAll(this.#slot, keep)
    if (keep === undefined) await this[Symbol.asyncDispose]()
    return end
  }

  /** Waits for the process to be ready, as long as nobody stops it; answers how the turn ended where it cannot begin. */
  async #begun(stop: AbortSignal): Promise<TurnEnd | undefined> {
    const over = new AbortController()
    try {
      await Promise.race([this.ready(), new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true, signal: over.signal }))])
      return stop.aborted ? { kind: 'stopped', heard: false } : undefined
    } catch (error) {
      await this[Symbol.asyncDispose]()
      return diedEnd(error instanceof Error ? error.message : String(error))
    } finally {
      over.abort()
    }
  }

  async #converse({ content, mode, stop, silenceMs, graceMs, onMessage, onTool }: Turn): Promise<TurnEnd> {
    if (stop.aborted) return { kind: 'stopped', heard: false }
    const over = new AbortController()
    let lastSign = performance.now()
    this.#note = onTool
    const answered = new Promise<TurnEnd>((resolve) => {
      this.#hear = (message) => {
        lastSign = performance.now()
        onMessage(message)
        if (message.type === 'result') resolve(turnEnd(message, stop.aborted))
      }
    })
    const silent = async (): Promise<TurnEnd> => {
      // Counted in ticks: while the service itself stands still nothing can be heard, however much the agent says.
      const tick = Math.min(SILENCE_TICK_MS, silenceMs / 4)
      for (let [silent, from] = [0, lastSign]; silent < silenceMs; silent += tick) {
        await delay(tick, undefined, { signal: over.signal, ref: false })
        await immediately(undefined, { signal: over.signal })
        if (lastSign !== from) [silent, from] = [-tick, lastSign]
      }
      return { kind: 'silent' }
    }
    const died = this.#gone.then((why) => (stop.aborted ? { kind: 'stopped' as const, heard: true } : diedEnd(why)))
    try {
      await this.#enter(mode)
      if (stop.aborted) return { kind: 'stopped', heard: false }
      this.#prompts.put({ type: 'user', message: { role: 'user', content }, parent_tool_use_id: null })
      const ended = Promise.race([answered, died, silent()])
      ended.catch(() => {}) // the race below hears it
      return await Promise.race([ended, this.#stopped(stop, over.signal, ended, graceMs)])
    } finally {
      over.abort()
      this.#hear = () => {}
      this.#note = async () => {}
    }
  }

  async #enter(mode: Turn['mode']): Promise<void> {
    if (mode === this.#mode || !this.#alive) return
    await Promise.race([this.#query.setPermissionMode(mode === 'plan' ? 'plan' : 'bypassPermissions'), this.#gone])
    this.#mode = mode
  }

  /** The ladder: the agent's own interrupt, SIGINT, SIGKILL of everything of the slot. */
  async #stopped(stop: AbortSignal, over: AbortSignal, ended: Promise<TurnEnd>, graceMs: number): Promise<TurnEnd> {
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve()
      stop.addEventListener('abort', () => resolve(), { once: true, signal: over })
    })
    const deadline = performance.now() + Math.max(0, graceMs - SIGNAL_GRACE_MS)
    while (performance.now() < deadline && !over.aborted) {
      this.#query.interrupt().catch(() => {}) // an agent that is gone says so through `ended`
      await Promise.race([ended, delay(Math.min(REPEAT_MS, deadline - performance.now()))])
    }
    if (!over.aborted) this.#child?.kill('SIGINT')
    await Promise.race([ended, delay(Math.min(SIGNAL_GRACE_MS, graceMs))])
    if (!over.aborted) await endAll(this.#slot)
    return ended
  }

  /** Hears the agent until it is gone; answers why. */
  async #read(): Promise<string> {
    let why = 'the agent ended without a result'
    try {
      for await (const message of this.#query) this.#hear(message)
    } catch (error) {
      why = error instanceof Error ? error.message : String(error)
    }
    this.#alive = false
    return why
  }

  /** Ends the process and everything of its slot. May be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#alive = false
    this.#prompts.close()
    this.#query.close()
    await endAll(this.#slot)
  }
}

/** Tools that may change files. */
const CHANGING = 'Bash|Edit|Write'

function hooks(note: (use: ToolUse) => Promise<void>): NonNullable<Options['hooks']> {
  const callback =
    (when: ToolUse['when']): HookCallback =>
    async (input) => {
      if ('tool_name' in input) await note({ when, tool: input.tool_name, input: input.tool_input })
      return {}
    }
  const [before, after] = [callback('before'), callback('after')]
  return {
    PreToolUse: [{ matcher: 'Bash', hooks: [before] }],
    PostToolUse: [{ matcher: CHANGING, hooks: [after] }],
    PostToolUseFailure: [{ matcher: CHANGING, hooks: [after] }],
  }
}

function startClaudeCode(spawn: SpawnOptions, { slot, token, sandboxed }: AgentOptions) {
  const env = Object.fromEntries(Object.entries(spawn.env).filter((entry): entry is [string, string] => entry[1] !== undefined))
  const [file, args] = sandboxed(spawn.command, spawn.args)
  const child = start(file, args, {
    cwd: spawn.cwd ?? '/',
    env,
    as: slot.identity,
    umask: 0o007,
    contained: true,
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
    detached: true,
  })
  const [stdin, stdout, , pipe] = child.stdio
  if (!stdin || !stdout || !pipe || !('write' in pipe)) throw new Error('Claude Code was started without its pipes')
  pipe.on('error', () => {}) // it ended before it read its token; that is seen elsewhere
  stdin.on('error', () => {})
  pipe.end(token)
  return Object.assign(child, { stdin, stdout })
}

/** Claude Code as it may be run on a repository that nobody vouches for: nothing that the repository brings is configuration. */
function sdkOptions(
  { binary, workTree, env, sessionId, resume, maxBudgetUsd, model }: AgentOptions,
  spawnClaudeCodeProcess: NonNullable<Options['spawnClaudeCodeProcess']>,
): Options {
  return {
    pathToClaudeCodeExecutable: binary,
    spawnClaudeCodeProcess,
    cwd: workTree,
    env: { ...env },
    settingSources: [],
    settings: { cleanupPeriodDays: 3650, crossSessionInbound: 'refuse' },
    strictMcpConfig: true,
    tools: TOOLS,
    permissionMode: 'bypassPermissions',
    allowDangerouslySkipPermissions: true,
    systemPrompt: { type: 'preset', preset: 'claude_code', append: GUIDANCE },
    includePartialMessages: true,
    ...(resume ? { resume: sessionId } : { sessionId }),
    ...(maxBudgetUsd === undefined ? {} : { maxBudgetUsd }),
    ...(model === undefined ? {} : { model }),
  }
}
