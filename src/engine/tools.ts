import type { Budgets } from '../agent/account.ts'
import type { Agents } from '../agent/agents.ts'
import type { ThreadKey, ThreadRef } from '../command/ids.ts'
import type { Author } from '../git/commit.ts'
import type { Remote } from '../git/remote.ts'
import type { Journal } from '../journal/journal.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import type { Redact } from '../observe/redact.ts'
import type { Identities } from '../process/identity.ts'
import type { Sandbox } from '../process/sandbox.ts'
import type { Previews } from '../preview/previews.ts'
import type { Room } from '../workspace/room.ts'
import type { HostLabels } from './host-labels.ts'
import type { Steered } from './steered.ts'
import type { Thread } from './thread.ts'

export interface RunRules {
  readonly silenceMs: number
  readonly limitMs: number
  readonly graceMs: number
  /** Before the second attempt; doubled for the third. */
  readonly retryBaseMs: number
  readonly attempts: number
  /** Attempts that may end with the service itself before a command is given up. */
  readonly crashes: number
  /** How long a command may wait, from its acceptance, for a model that takes no requests. */
  readonly limitWaitMs: number
}

export interface Installing {
  /** What processes of an install are marked with; of this workspace folder alone. */
  readonly slot: string
  readonly npm: string
  readonly scripts: boolean
  readonly path: string
  readonly networkEnv: Readonly<Record<string, string>>
  /** For builds, which are the agent's to write. */
  readonly agentNetworkEnv: Readonly<Record<string, string>>
}

/** How previews are shown. */
export interface PreviewRules {
  readonly on: boolean
  /** By dev servers; else what is shown is the last good build. */
  readonly devServers: boolean
  /** The browser that takes pictures of pages, where they are wanted. */
  readonly browser: string | undefined
  /** How often an agent is asked to mend what its run broke on a page. */
  readonly autoRepair: number
  readonly labels: HostLabels
  /** Where a browser finds the preview of a thread; `undefined` where there are none. */
  readonly urlOf: (ref: ThreadRef) => Promise<string | undefined>
}

/** What the engine works with, built once by `assemble.ts`. */
export interface Tools {
  readonly root: string
  readonly journal: Journal
  /** Names this service among all that ever owned the workspace. */
  readonly owner: string
  readonly agents: Agents
  readonly identities: Identities
  /** What agents and builds run in. */
  readonly sandbox: Sandbox
  readonly installing: Installing
  readonly rules: RunRules
  readonly budgets: Budgets
  readonly steered: Steered
  readonly previews: Previews
  readonly preview: PreviewRules
  /** The agent of a thread has begun to work; whoever looks at the thread may want to see its preview. */
  readonly working: (ref: ThreadRef) => void
  /** A slot with a waiting agent is kept for the next new thread. */
  readonly spareAgent: boolean
  readonly author: Author
  readonly log: Log
  readonly redact: Redact
  readonly simulated: boolean
  readonly holdsSecret: (content: Buffer) => boolean
  /** Where a new workspace without a `repoUrl` of its own begins. */
  readonly beginning: { readonly origin: Remote | undefined; readonly example: string | undefined }
  /** How the repository behind a URL, without credentials, is reached. */
  readonly remoteFor: (url: string) => Remote
  /** Changes of workflows may be pushed. */
  readonly pushWorkflows: boolean
  readonly room: Room
  readonly events: (ref: ThreadRef) => EventLog
  /** Aborts when the service stops; for work that belongs to no run. */
  readonly stopping: AbortSignal
  /** Threads that have been prepared since the start. */
  readonly prepared: Map<ThreadKey, Thread>
  /** One preparation of a repository, or of a store of dependencies, at a time. */
  readonly once: <Value>(key: string, work: () => Promise<Value>) => Promise<Value>
}
