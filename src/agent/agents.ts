import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import type { WorkspaceKey } from '../command/ids.ts'
import { endAll, type Slot } from '../process/end-all.ts'
import { oneAtATime } from '../process/one-at-a-time.ts'
import { removeTree } from '../process/remove-tree.ts'
import type { Sandbox } from '../process/sandbox.ts'
import type { Broker, Pass } from './broker.ts'
import { Agent, type AgentOptions } from './claude-code.ts'
import { agentEnvironment } from './environment.ts'
import { placeConversation, readConversation } from './conversation.ts'
import type { WorkspaceSettings } from './settings.ts'
import { placeSkills } from './skills.ts'

/** Everything that the agent of one thread is started with. */
export interface AgentPlace {
  readonly slot: Slot
  readonly workspace: WorkspaceKey
  readonly workTree: string
  /** Folders of the agent's own, below `folder`, which is emptied for every new process. */
  readonly folders: { readonly folder: string; readonly home: string; readonly config: string; readonly tmp: string }
  /** Outside of both; what the agent's git reads. */
  readonly readable: readonly string[]
  /** A folder of the service's, for what it hands to the agent. */
  readonly given: string
  readonly sessionId: string
  /** Another conversation that this one begins from, up to a message; without a session it begins with nothing. */
  readonly begins?: { readonly sessionId?: string | undefined; readonly at?: string | undefined } | undefined
}

export interface AgentSettings {
  readonly binary: string
  readonly model: string | undefined
  /** The models are those of Amazon Bedrock, in this region. */
  readonly bedrockRegion?: string | undefined
  /** Variables that are passed on as they are: the model's options, proxies, certificates. */
  readonly env: Readonly<Record<string, string>>
  readonly path: string
  readonly sandbox: Sandbox
  /** Agents that may stay, idle, for the next message of their thread. */
  readonly keep: number
  /** Memory that idle agents leave free, in bytes. */
  readonly memoryReserve: number
  /** What the operator has set for a workspace, where anything is. */
  readonly settingsOf: ((workspace: WorkspaceKey) => Promise<WorkspaceSettings>) | undefined
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
  /** When its process was started there was no conversation to go on with. */
  readonly forgot: boolean
}

interface Start {
  readonly settings: WorkspaceSettings | undefined
  readonly key: string
}

interface Living extends Ready {
  /** The user of its own, where it has one. */
  readonly uid: number | undefined
  /** What it was started with: another one has to be started for anything else. */
  readonly startedWith: string
  usedAt: number
  busy: boolean
}

/** How often it is looked whether idle agents take memory that others want. */
const LOOK_MS = 5000

/** The living agents, at most one for each slot: two processes on one conversation would lose turns. */
export class Agents implements AsyncDisposable {
  readonly #settings: AgentSettings
  readonly #broker: Broker
  readonly #living = new Map<string, Living>()
  readonly #ending = new Map<string, Promise<void>>()
  /** A slot that waits, warm, may be taken by a thread at that very moment. */
  readonly #inTurn = oneAtATime()
  #timer: NodeJS.Timeout | undefined

  constructor(settings: AgentSettings, broker: Broker) {
    this.#settings = settings
    this.#broker = broker
  }

  /** The agent of a slot, living or started; busy until `release`. */
  async take(place: AgentPlace, keeping: Keeping): Promise<Ready> {
    return this.#inTurn(place.slot.slot, () => this.#take(place, keeping))
  }

  async #take(place: AgentPlace, keeping: Keeping): Promise<Ready> {
    await this.#ending.get(place.slot.slot)
    const known = this.#living.get(place.slot.slot)
    const start = await this.#startOf(place)
    if (fits(known, place, start)) {
      known.busy = true
      return known
    }
    return this.#start(place, keeping, start, true)
  }

  /**
   * Starts the agent of a slot before its next message comes, where none is living, and leaves it idle. Call it in the thread's turn;
   * it resolves when the process has been started, and is ready some time later.
   */
  async warm(place: AgentPlace, keeping: Keeping): Promise<void> {
    await this.#inTurn(place.slot.slot, () => this.#warm(place, keeping))
    await this.#makeRoom()
  }

  async #warm(place: AgentPlace, keeping: Keeping): Promise<void> {
    await this.#ending.get(place.slot.slot)
    const known = this.#living.get(place.slot.slot)
    if (this.#settings.keep === 0 || known?.busy === true || this.#shortOfMemory()) return
    const start = await this.#startOf(place)
    if (fits(known, place, start)) {
      known.usedAt = performance.now()
      return
    }
    const { agent } = await this.#start(place, keeping, start, false)
    // The thread's next message starts another one, and says so where what is left of this one cannot be ended.
    agent.warm().catch(() => agent[Symbol.asyncDispose]().catch(() => {}))
  }

  /** What an agent of this place is to be started with; one that was started with anything else does not fit. */
  async #startOf({ workspace }: AgentPlace): Promise<Start> {
    const settings = await this.#settings.settingsOf?.(workspace)
    return { settings, key: JSON.stringify([settings, await versionOf(this.#settings.binary)]) }
  }

  async #start(place: AgentPlace, keeping: Keeping, { settings, key: startedWith }: Start, busy: boolean): Promise<Living> {
    await this.end(place.slot.slot)
    await endAll(place.slot)
    const resume = await this.#freshFolders(place, keeping)
    const plugin = settings?.skills === undefined ? undefined : await placeSkills(settings.skills, place.folders.folder)
    const pass = this.#broker.pass()
    const agent = new Agent({
      ...place,
      binary: this.#settings.binary,
      model: this.#settings.model,
      env: agentEnvironment(place, this.#settings, { url: this.#broker.url, token: pass.token, servers: settings?.repositorySettings === true }),
      token: pass.token,
      sandboxed: (file, args) => {
        const { workTree, folders, readable, given } = place
        return this.#settings.sandbox.command({ cwd: workTree, writable: [workTree, folders.folder], readable: [...readable, given] }, file, args)
      },
      resume,
      settings,
      plugin,
    })
    const forgot = resume === undefined && (place.begins === undefined || place.begins.sessionId !== undefined)
    const living: Living = { agent, pass, forgot, uid: place.slot.identity.uid, startedWith, usedAt: performance.now(), busy }
    this.#living.set(place.slot.slot, living)
    return living
  }

  /** An agent waits in this place that has had no turn yet. */
  waits({ slot }: Slot, sessionId: string): boolean {
    const known = this.#living.get(slot)
    return known?.busy === false && known.agent.alive && known.agent.fresh && known.agent.sessionId === sessionId
  }

  /** A turn is over: its conversation is kept, the agent stays for the next message where there is room. */
  async release(place: AgentPlace, keeping: Keeping): Promise<void> {
    const living = this.#living.get(place.slot.slot)
    const conversation = await readConversation(place.folders.config, place.sessionId, place.slot.identity)
    if (conversation !== undefined) await keeping.write(place.sessionId, conversation)
    if (living === undefined) return
    living.busy = false
    living.usedAt = performance.now()
    if (!living.agent.alive) await this.end(place.slot.slot)
    await this.#makeRoom()
  }

  /** Looks at the machine's memory from time to time: other programs want some too. Ends with this. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#makeRoom().catch(() => {}), LOOK_MS).unref() // a process that will not end is told of when its slot is used
  }

  /** How many agents wait, idle, and how many of those have had no turn yet. */
  counts(): { readonly idle: number; readonly fresh: number } {
    const idle = [...this.#living.values()].filter(({ busy, agent }) => !busy && agent.alive)
    return { idle: idle.length, fresh: idle.filter(({ agent }) => agent.fresh).length }
  }

  /** The processes of a slot that may stay between its runs: its idle agent's. */
  kept(slot: string): ReadonlySet<number> {
    const agent = this.#living.get(slot)?.agent
    return agent?.alive === true ? agent.kept : new Set()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#living.keys()].map((slot) => this.end(slot)))
  }

  async #makeRoom(): Promise<void> {
    const idle = [...this.#living].filter(([, { busy }]) => !busy).toSorted(([, a], [, b]) => a.usedAt - b.usedAt)
    const many = Math.max(0, idle.length - this.#settings.keep)
    await Promise.all(idle.slice(0, many).map(([slot]) => this.end(slot)))
    // One after the other: what ending one gives back may be enough.
    for (const [slot] of idle.slice(many)) {
      if (!this.#shortOfMemory()) return
      await this.end(slot)
    }
  }

  /** What is left of the machine's memory, or of the container's. */
  #shortOfMemory(): boolean {
    return process.availableMemory() < this.#settings.memoryReserve
  }

  /** Resolves when the agent of a slot has ended; whoever wants the slot meanwhile waits for the same. */
  async end(slot: string): Promise<void> {
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
  async #freshFolders({ folders, sessionId, begins, slot, given }: AgentPlace, keeping: Keeping): Promise<AgentOptions['resume']> {
    const left = await readConversation(folders.config, sessionId, slot.identity) // of a process that a crash ended
    const kept = await keeping.read(sessionId)
    const conversation = left !== undefined && left.length > (kept?.length ?? 0) ? left : kept
    if (conversation !== undefined && conversation === left) await keeping.write(sessionId, left)
    await mkdir(given, { recursive: true, mode: 0o700 })
    await removeTree(folders.folder)
    for (const path of [folders.folder, folders.home, folders.config, folders.tmp]) await mkdir(path, { mode: 0o770 })
    for (const path of [folders.home, folders.config, folders.tmp, folders.folder]) await keeping.give(path)
    const from = conversation === undefined ? begins?.sessionId : sessionId
    const content = conversation ?? (from === undefined ? undefined : await keeping.read(from))
    if (content === undefined || from === undefined) return undefined
    // Claude Code does not start at a message that its file does not hold.
    if (from !== sessionId && begins?.at !== undefined && !content.includes(`"uuid":"${begins.at}"`)) return undefined
    await placeConversation(folders.config, from, content, keeping.give)
    return { sessionId: from, at: from === sessionId ? undefined : begins?.at }
  }
}

/** It lives, was started with the same, and is in the same conversation. */
const fits = (living: Living | undefined, { sessionId }: AgentPlace, { key }: Start): living is Living =>
  living?.agent.alive === true && living.startedWith === key && living.agent.sessionId === sessionId

/** Changes when another version of the program is put into its place. */
async function versionOf(binary: string): Promise<string> {
  const { mtimeNs, size } = await stat(binary, { bigint: true })
  return `${mtimeNs} ${size}`
}

/** Where a conversation is kept. */
export const conversationFile = (sessions: string, sessionId: string): string => join(sessions, `${sessionId}.jsonl`)
