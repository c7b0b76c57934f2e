import { randomUUID, type UUID as Uuid } from 'node:crypto'
import { setImmediate as immediately, setTimeout as delay } from 'node:timers/promises'
import { query, type Query, type SDKMessage, type SDKUserMessage } from '@anthropic-ai/claude-agent-sdk'
import { endAll, family, type Slot } from '../process/end-all.ts'
import { halt, resume } from '../process/halt.ts'
import type { Child } from '../process/start.ts'
import { hooks, startClaudeCode } from './launch.ts'
import { Mailbox } from './mailbox.ts'
import { sdkOptions } from './options.ts'
import { questionIn } from './question.ts'
import type { WorkspaceSettings } from './settings.ts'
import { Steering } from './steering.ts'
import { diedEnd, turnEnd, type TurnEnd, type Turned } from './turn-end.ts'

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
  /** The conversation to go on with, up to the message `at`: that of `sessionId`, or another one, of which it becomes a branch. */
  readonly resume: { readonly sessionId: string; readonly at?: string | undefined } | undefined
  readonly model?: string | undefined
  /** What the operator has set for the agent's workspace. */
  readonly settings?: WorkspaceSettings | undefined
  /** A folder with a plugin of the operator's. */
  readonly plugin?: string | undefined
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
  /** From here on messages can be added to it. */
  readonly onOpen: () => void
}

/** A tool that the agent is about to use, or has used. */
export interface ToolUse {
  readonly when: 'before' | 'after'
  readonly tool: string
  readonly input: unknown
}

/** How often an interrupt is said again: one that overtakes the message it is meant for would be forgotten. */
const REPEAT_MS = 250
/** How often it is looked whether the agent is silent. */
const SILENCE_TICK_MS = 1000
/** Of its grace, what an agent that does not answer gets after SIGINT. */
const SIGNAL_GRACE_MS = 1000

/** How long a process may take to go through a message that says nothing. */
const REHEARSAL_MS = 10_000

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
  #fresh = true
  #warming: Promise<void> | undefined
  #question: string | undefined
  readonly #steering = new Steering((content, uuid) => this.#say(content, uuid))

  constructor(options: AgentOptions) {
    this.sessionId = options.sessionId
    this.#slot = options.slot
    this.#query = query({
      prompt: this.#prompts,
      options: {
        ...sdkOptions(options, (spawn) => (this.#child = startClaudeCode(spawn, options))),
        hooks: hooks((use) => this.#note(use)),
        // Everything is allowed without asking, so only what needs a person comes here: a question, which is the end of the turn.
        canUseTool: async (tool, input) => {
          if (tool !== 'AskUserQuestion') return { behavior: 'deny', message: `${tool} is not allowed here: nothing may be changed.` }
          this.#question = questionIn(input)
          return { behavior: 'deny', message: `${tool}: it was passed on; the answer is the next message.`, interrupt: true }
        },
      },
    })
    this.#gone = this.#read()
  }

  /** It has had no turn: nothing has run in it, or as its user, but what the operator lets a repository bring. */
  get fresh(): boolean {
    return this.#fresh
  }

  get alive(): boolean {
    return this.#alive
  }

  /** The process and the children that belong to it and to no turn. */
  get kept(): ReadonlySet<number> {
    return this.#kept ?? new Set(this.#child?.pid === undefined ? [] : [this.#child.pid])
  }

  /** Resolves when the process is ready for a message. */
  async ready(): Promise<void> {
    await Promise.race([this.#query.initializationResult(), this.#gone])
  }

  /**
   * Pays beforehand for what Claude Code does at its first message: it goes through one that says nothing, which leaves no trace in the
   * conversation and asks no model. It is not stopped then, as it is after a turn: nobody has told it anything.
   */
  async warm(): Promise<void> {
    await (this.#warming ??= this.#rehearse())
  }

  async #rehearse(): Promise<void> {
    const late = delay(REHEARSAL_MS, false, { ref: false })
    await Promise.race([this.ready(), late])
    const answered = new Promise<boolean>((resolve) => {
      this.#hear = ({ type }) => void (type === 'result' && resolve(true))
    })
    this.#prompts.put({ type: 'user', message: { role: 'user', content: [] }, parent_tool_use_id: null, shouldQuery: false })
    const through = await Promise.race([answered, this.#gone.then(() => false), late])
    this.#hear = () => {}
    if (this.#child?.pid !== undefined) this.#kept ??= await family(this.#child.pid, this.#slot)
    if (!through) await this[Symbol.asyncDispose]()
  }

  /** Adds to the message that is being worked on; false where no turn is open that could hear it. */
  steer(content: Content, key: string): boolean {
    return this.#steering.put(content, key)
  }

  /** Sends one message and waits for the end of the agent's turn, whatever it is. Nothing but the idle agent is alive then. */
  async turn(turn: Turn): Promise<Turned> {
    const early = await this.#begun(turn.stop)
    if (early !== undefined) {
      // It may have been let go, and is not to act between turns.
      if (!this.#fresh && !(await halt(this.#kept))) await this[Symbol.asyncDispose]()
      return { end: early, unread: [] }
    }
    this.#fresh = false
    if (this.#child?.pid !== undefined) this.#kept ??= await family(this.#child.pid, this.#slot)
    const turned = await this.#converse(turn)
    // A message that it holds and has not begun with would begin a turn that nobody asked for.
    const stays = this.#alive && turned.end.kind !== 'silent' && !this.#steering.holding
    const keep = stays && (await halt(this.#kept)) ? this.#kept : undefined
    await endAll(this.#slot, keep)
    if (keep === undefined) await this[Symbol.asyncDispose]()
    return turned
  }

  /** The request takes more than its type says: what the process holds and has not begun with is given up too. */
  async #interrupt(): Promise<void> {
    const interrupt: (how: { readonly cancelQueued: boolean }) => Promise<unknown> = this.#query.interrupt.bind(this.#query)
    await interrupt({ cancelQueued: true })
  }

  #say(content: Content, uuid: Uuid): void {
    this.#prompts.put({ type: 'user', message: { role: 'user', content }, parent_tool_use_id: null, uuid })
  }

  /** Waits for the process to be ready, as long as nobody stops it; answers how the turn ended where it cannot begin. */
  async #begun(stop: AbortSignal): Promise<TurnEnd | undefined> {
    const over = new AbortController()
    try {
      const stopped = new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true, signal: over.signal }))
      if (stop.aborted) return { kind: 'stopped', heard: false }
      await Promise.race([this.#warming, stopped])
      if (stop.aborted) return { kind: 'stopped', heard: false }
      if (!this.#alive) return diedEnd('it did not start in time')
      resume(this.#kept)
      await Promise.race([this.ready(), stopped])
      return stop.aborted ? { kind: 'stopped', heard: false } : undefined
    } catch (error) {
      await this[Symbol.asyncDispose]()
      return diedEnd(error instanceof Error ? error.message : String(error))
    } finally {
      over.abort()
    }
  }

  async #converse({ content, mode, stop, silenceMs, graceMs, onMessage, onTool, onOpen }: Turn): Promise<Turned> {
    if (stop.aborted) return { end: { kind: 'stopped', heard: false }, unread: [] }
    const over = new AbortController()
    let lastSign = performance.now()
    let said: string | undefined
    const texts: string[] = []
    this.#note = onTool
    this.#question = undefined
    const answered = new Promise<TurnEnd>((resolve) => {
      this.#hear = (message) => {
        lastSign = performance.now()
        onMessage(message)
        this.#steering.hear(message)
        // What an agent of its own has said is no part of the conversation.
        const ofIts = message.type === 'assistant' || message.type === 'user'
        if (ofIts && message.parent_tool_use_id === null && message.uuid !== undefined) said = message.uuid
        if (message.type !== 'result') return
        const end = turnEnd(message, { stopped: stop.aborted, question: this.#question })
        // What was steered in too late for this turn gets one of its own, which belongs to the same run.
        if (end.kind === 'answered' && end.question === undefined && this.#steering.holding && !stop.aborted) texts.push(end.text)
        else resolve(end.kind === 'answered' ? { ...end, text: [...texts, end.text].join('\n\n') } : end)
      }
    })
    const turned = (end: TurnEnd): Turned => ({ end, said, unread: this.#steering.close() })
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
      if (stop.aborted) return turned({ kind: 'stopped', heard: false })
      this.#say(content, randomUUID())
      this.#steering.open()
      onOpen()
      const ended = Promise.race([answered, died, silent()])
      ended.catch(() => {}) // the race below hears it
      return turned(await Promise.race([ended, this.#stopped(stop, over.signal, ended, graceMs)]))
    } finally {
      over.abort()
      this.#steering.close()
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
      this.#interrupt().catch(() => {}) // an agent that is gone says so through `ended`
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
