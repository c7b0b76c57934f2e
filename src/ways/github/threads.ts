import * as z from 'zod'
import { ClientId, ProjectId, threadKey, ThreadId, UserId, type WorkspaceId } from '../../command/ids.ts'
import type { Memos } from '../../journal/journal.ts'
import type { GitHubEvent } from './in/event.ts'

export type RepositoryFacts = GitHubEvent['repository']

const numbers = z.array(z.int()).readonly()
const texts = z.array(z.string()).readonly().default([])

/** What is known of the thread of an issue, or of a pull request that is not ours. */
const IssueThread = z.object({
  threadId: ThreadId,
  repository: z.object({ id: z.int(), owner: z.string(), name: z.string(), defaultBranch: z.string() }),
  /** Of the issue or pull request that it began with. */
  number: z.int(),
  onPull: z.boolean(),
  title: z.string(),
  /** The branch it is for; by default that of the repository. */
  base: z.string().optional(),
  draft: z.boolean().optional(),
  /** The comment that says how it stands. */
  sticky: z.int().optional(),
  /** The pull request that it made; `by` is the command whose work that was. */
  pull: z.object({ number: z.int(), url: z.string(), state: z.enum(['open', 'closed', 'merged']), by: z.string() }).optional(),
  /** Issues and pull requests whose comments belong to it. */
  numbers,
  /** What its messages may cost, as the settings said when it began. */
  maxCostUsd: z.number().optional(),
  /** Commits whose failed checks the agent was given. */
  checked: texts,
  /** Files that a merge has left in conflict, until they are resolved. */
  conflicted: texts,
  /** Its issue or pull request is closed. */
  closed: z.boolean().optional(),
  /** The pull request before this thread, of the same issue. */
  before: z.string().optional(),
})
export type IssueThread = Readonly<z.infer<typeof IssueThread>>

type Once = <Value>(key: string, work: () => Promise<Value>) => Promise<Value>

/** Ids that the operator has fixed. */
export interface Fixed {
  readonly clientId: ClientId | undefined
  readonly userId: UserId | undefined
  readonly projectId: ProjectId | undefined
}

/** The workspace of a repository: its owner is the client, its name the project, unless the operator has fixed them. */
export function workspaceOf({ id, owner, name }: RepositoryFacts, fixed: Fixed): WorkspaceId {
  return {
    clientId: fixed.clientId ?? ClientId.safeParse(owner).data ?? ClientId.parse(`owner-of-${id}`),
    userId: fixed.userId ?? UserId.parse('github'),
    projectId: fixed.projectId ?? ProjectId.safeParse(name).data ?? ProjectId.parse(`repository-${id}`),
  }
}

const REPOSITORY = 'github repository'
const nameOf = (threadId: string): string => `github thread ${threadId}`
const numberOf = ({ id }: RepositoryFacts, number: number): string => `github ${id} number ${number}`

/** What the GitHub way keeps of its threads, in the journal. */
export class IssueThreads {
  readonly #memos: Memos
  readonly #once: Once
  constructor(memos: Memos, once: Once) {
    this.#memos = memos
    this.#once = once
  }

  async get(of: WorkspaceId, threadId: string): Promise<IssueThread | undefined> {
    const text = await this.#memos.recall(of, nameOf(threadId))
    return text === undefined ? undefined : IssueThread.parse(JSON.parse(text))
  }

  /** The thread that an issue or a pull request has now. */
  async ofNumber(of: WorkspaceId, repository: RepositoryFacts, number: number): Promise<IssueThread | undefined> {
    const threadId = await this.#memos.recall(of, numberOf(repository, number))
    return threadId === undefined ? undefined : this.get(of, threadId)
  }

  /** A workspace has one repository: the first that was worked on, where ids that are fixed lead others to the same. */
  async isFor(of: WorkspaceId, { id }: RepositoryFacts): Promise<boolean> {
    const known = await this.#memos.recall(of, REPOSITORY)
    return known === undefined || known === String(id)
  }

  async all(of: WorkspaceId): Promise<readonly IssueThread[]> {
    return [...(await this.#memos.recallAll(of, nameOf(''))).values()].map((text) => IssueThread.parse(JSON.parse(text)))
  }

  /** Changes what is known of a thread; several at once lose nothing. Answers what it is then. */
  async change(of: WorkspaceId, threadId: ThreadId, change: Partial<IssueThread> | ((thread: IssueThread) => Partial<IssueThread>)): Promise<IssueThread> {
    return this.#once(`github thread ${threadKey({ ...of, threadId })}`, async () => {
      const thread = await this.get(of, threadId)
      if (thread === undefined) throw new Error(`nothing is known of the thread ${threadId} of an issue`)
      const changed = { ...thread, ...(typeof change === 'function' ? change(thread) : change) }
      await this.#keep(of, changed)
      return changed
    })
  }

  /** A thread begins, unless it has begun. */
  async begin(of: WorkspaceId, thread: IssueThread): Promise<IssueThread> {
    return this.#once(`github thread ${threadKey({ ...of, threadId: thread.threadId })}`, async () => {
      const known = await this.get(of, thread.threadId)
      if (known !== undefined) return known
      await this.#memos.remember(of, REPOSITORY, String(thread.repository.id))
      await this.#keep(of, thread)
      return thread
    })
  }

  async #keep(of: WorkspaceId, thread: IssueThread): Promise<void> {
    await this.#memos.remember(of, nameOf(thread.threadId), JSON.stringify(thread))
    for (const number of thread.numbers) await this.#memos.remember(of, numberOf(thread.repository, number), thread.threadId)
  }
}

/** The id of the thread of an issue; of a further one, after a pull request was closed or merged, with a number behind it. */
export function nextThreadId(number: number, onPull: boolean, former: IssueThread | undefined): ThreadId {
  const first = `${onPull ? 'pull' : 'issue'}-${number}`
  if (former === undefined) return ThreadId.parse(first)
  const round = Number(/\.(\d+)$/.exec(former.threadId)?.[1] ?? 1)
  return ThreadId.parse(`${first}.${round + 1}`)
}
