import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { endAll, type Slot } from '../process/end-all.ts'
import { removeTree } from '../process/remove-tree.ts'
import type { Sandbox } from '../process/sandbox.ts'
import { SLOT_VARIABLE } from '../process/table.ts'
import type { Broker, Pass } from './broker.ts'
import { Agent } from './claude-code.ts'
import { placeConversation, readConversation } from './conversation.ts'

/** Everything that the agent of one thread is started with. */
export interface AgentPlace {
  readonly slot: Slot
  readonly workTree: string
  /** Folders of the agent's own, below `folder`, which is emptied for every new process. */
  readonly folders: { readonly folder: string; readonly home: string; readonly config: string; readonly tmp: string }
  /** Outside of both; what the agent's git reads. */
  readonly readable: readonly string[]
  readonly sessionId: string
  readonly maxBudgetUsd?: number | undefined
}

export interface AgentSettings {
  readonly binary: string
  readonly model: string | undefined
  /** Variables that are passed on as they are: the model's options, proxies, certificates. */
  readonly env: Readonly<Record<string, string>>
  readonly path: string
  readonly sandbox: Sandbox
  /** Agents that may stay, idle, for the next message of their thread. */
  readonly keep: number
}

/** How conversations are kept outside the agent's reach, and how files are handed to it. */
export interface Keeping {
  readonly read: (sessionId: string) => Promise<Buffer | undefined>
  readonly write: (sessionId: string, content: Buffer) => Promise<void>
  readonly give: (path: string) => Promise<void>
}

export interface Ready {
  readonly agent: Agent
  readonly pass: Pass
  /** The conversation could not be gone on with and begins anew. */
  readonly forgot: boolean
}

const FLAGS = {
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
  CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR: '3',
  LANG: 'C.UTF-8',
}

interface Living {
  readonly agent: Agent
  readonly pass: Pass
  /** The user of its own, where it has one. */
  readonly uid: number | undefined
  usedAt: number
  busy: boolean
}

/** The living agents, at most one for each slot: two processes on one conversation would lose turns. */
export class Agents implements AsyncDisposable {
  readonly #settings: AgentSettings
  readonly #broker: Broker
  readonly #living = new Map<string, Living>()
  readonly #ending = new Map<string, Promise<void>>()

  constructor(settings: AgentSettings, broker: Broker) {
    this.#settings = settings
    this.#broker = broker
  }

  /** The agent of a slot, living or started; busy until `release`. */
  async take(place: AgentPlace, keeping: Keeping): Promise<Ready> {
    await this.#ending.get(place.slot.slot)
    const known = this.#living.get(place.slot.slot)
    if (known?.agent.alive === true && place.maxBudgetUsd === undefined && known.agent.sessionId === place.sessionId) {
      known.busy = true
      return { ...known, forgot: false }
    }
    if (known !== undefined) await this.#end(place.slot.slot)
    await endAll(place.slot)
    const conversation = await this.#freshFolders(place, keeping)
    const pass = this.#broker.pass()
    const agent = new Agent({
      ...place,
      binary: this.#settings.binary,
      model: this.#settings.model,
      env: this.#environment(place),
      token: pass.token,
      sandboxed: (file, args) => {
        const { workTree, folders, readable } = place
        return this.#settings.sandbox.command({ cwd: workTree, writable: [workTree, folders.folder], readable }, file, args)
      },
      resume: conversation !== undefined,
    })
    this.#living.set(place.slot.slot, { agent, pass, uid: place.slot.identity.uid, usedAt: performance.now(), busy: true })
    return { agent, pass, forgot: conversation === undefined }
  }

  /** A turn is over: its conversation is kept, the agent stays for the next message where there is room. */
  async release(place: AgentPlace, keeping: Keeping): Promise<void> {
    const living = this.#living.get(place.slot.slot)
    const conversation = await readConversation(place.folders.config, place.sessionId, place.slot.identity)
    if (conversation !== undefined) await keeping.write(place.sessionId, conversation)
    if (living === undefined) return
    living.busy = false
    living.usedAt = performance.now()
    // A budget counts over the life of a process, so one that was started with one is not used again.
    if (!living.agent.alive || place.maxBudgetUsd !== undefined) await this.#end(place.slot.slot)
    await this.#makeRoom()
  }

  /** The processes of a slot that may stay between its runs: its idle agent's. */
  kept(slot: string): ReadonlySet<number> {
    const agent = this.#living.get(slot)?.agent
    return agent?.alive === true ? agent.kept : new Set()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#living.keys()].map((slot) => this.#end(slot)))
  }

  async #makeRoom(): Promise<void> {
    const idle = [...this.#living].filter(([, { busy }]) => !busy).toSorted(([, a], [, b]) => a.usedAt - b.usedAt)
    await Promise.all(idle.slice(0, Math.max(0, idle.length - this.#settings.keep)).map(([slot]) => this.#end(slot)))
  }

  /** Resolves when the agent of a slot has ended; whoever wants the slot meanwhile waits for the same. */
  async #end(slot: string): Promise<void> {
    const ending = this.#ending.get(slot) ?? this.#endNow(slot)
    this.#ending.set(slot, ending)
    await ending.finally(() => this.#ending.delete(slot))
  }

  async #endNow(slot: string): Promise<void> {
    const living = this.#living.get(slot)
    if (living === undefined) return
    this.#living.delete(slot)
    living.pass[Symbol.dispose]()
    await living.agent[Symbol.asyncDispose]()
    if (living.uid !== undefined) await rm(`/tmp/cc-socks-${living.uid}`, { recursive: true, force: true }) // Claude Code's sockets between sessions
  }

  /** HOME and configuration are made anew for every process, so nothing that a run planted there is found by the next. */
  async #freshFolders({ folders, sessionId, slot }: AgentPlace, keeping: Keeping): Promise<Buffer | undefined> {
    const left = await readConversation(folders.config, sessionId, slot.identity) // of a process that a crash ended
    const kept = await keeping.read(sessionId)
    const conversation = left !== undefined && left.length > (kept?.length ?? 0) ? left : kept
    if (conversation !== undefined && conversation === left) await keeping.write(sessionId, left)
    await removeTree(folders.folder)
    for (const path of [folders.folder, folders.home, folders.config, folders.tmp]) await mkdir(path, { mode: 0o770 })
    for (const path of [folders.home, folders.config, folders.tmp, folders.folder]) await keeping.give(path)
    if (conversation !== undefined) await placeConversation(folders.config, sessionId, conversation, keeping.give)
    return conversation
  }

  #environment({ folders, slot }: AgentPlace): Record<string, string> {
    return {
      ...this.#settings.env,
      ...FLAGS,
      PATH: this.#settings.path,
      HOME: folders.home,
      CLAUDE_CONFIG_DIR: folders.config,
      TMPDIR: folders.tmp,
      ANTHROPIC_BASE_URL: this.#broker.url,
      [SLOT_VARIABLE]: slot.slot,
      // Claude Code refuses to run unattended as root unless it is told that this is meant.
      ...(slot.identity.uid === undefined && process.getuid?.() === 0 ? { IS_SANDBOX: '1' } : {}),
    }
  }
}

/** Where a conversation is kept. */
export const conversationFile = (sessions: string, sessionId: string): string => join(sessions, `${sessionId}.jsonl`)
