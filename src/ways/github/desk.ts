import type { Command } from '../../command/command.ts'
import type { ThreadRef } from '../../command/ids.ts'
import type { CommandRecord, CommandRef, DeadLetter, Inbox, Memos, Page, Reply, State } from '../../journal/journal.ts'
import { NoAccess, type GitHubApi } from './api/api.ts'
import type { Progress } from './out/progress.ts'
import { GitHubRefused } from './api/refusals.ts'
import type { Fixed, IssueThread, IssueThreads, RepositoryFacts } from './threads.ts'

/** What is recorded of a command, as far as this way asks for it. */
export type Known = Pick<CommandRecord, 'command' | 'state' | 'result'>

/** What this way reads and writes of the durable record: the journal of the service, or what a Durable Object keeps. */
export interface Records {
  readonly inbox: Pick<Inbox, 'put' | 'due' | 'done' | 'drop' | 'later' | 'knows'>
  readonly memos: Memos
  command(of: CommandRef): Promise<Known | undefined>
  /** Newest first. */
  history(ref: ThreadRef, page: Page): Promise<readonly Known[]>
  bury(letter: DeadLetter): Promise<void>
}

/** Lines of a log, each an event with fields; secrets are redacted behind it. */
export type Log = Readonly<Record<'info' | 'warn' | 'error', (line: { readonly event: string } & Readonly<Record<string, unknown>>) => void>>

/** What became of a command that was handed in. */
export type HandedIn =
  | { readonly kind: 'accepted' | 'duplicate'; readonly record: { readonly state: State } }
  | { readonly kind: 'conflict' | 'closed' | 'full' | 'backlog' }

/** What is done for the GitHub way by the engine, or by a container. */
export interface Works {
  readonly accept: (command: Command, way: 'github', reply: Reply) => Promise<HandedIn>
  readonly interrupt: (ref: ThreadRef) => Promise<string | undefined>
  /** The work tree is given up until the next message; branch and conversation stay. */
  readonly park: (ref: ThreadRef) => Promise<void>
  /** What the branch has since it began: its files, and the subjects of its commits, oldest first. */
  readonly changes: (ref: ThreadRef) => Promise<{ readonly files: readonly string[]; readonly subjects: readonly string[] }>
  /** Which of these files hold conflict markers on the thread's branch. */
  readonly unresolved: (ref: ThreadRef, files: readonly string[]) => Promise<readonly string[]>
  /** Whether its pull request may conflict with where it is to go; a merge then looks. @throws GitHubBusy where that is not known yet */
  readonly mayConflict: (thread: IssueThread, pull: number) => Promise<boolean>
  /** The commit that the thread's branch is at. */
  readonly tipOf: (ref: ThreadRef) => Promise<string | undefined>
}

/** What handing in and answering work with. */
export interface Desk {
  readonly api: GitHubApi
  readonly journal: Records
  readonly threads: IssueThreads
  readonly progress: Progress
  readonly works: () => Works
  readonly fixed: Fixed
  /** URL of a repository as the operator writes it in REPO_URL, or as GitHub does. */
  readonly repositoryUrl: (repository: RepositoryFacts) => string
  readonly maxCostUsd: number | undefined
  /** Where pictures can be seen by whoever looks at a pull request; `undefined` where nobody can. */
  readonly pictureUrl: ((ref: ThreadRef, path: string) => string) | undefined
  readonly log: Log
}

/** Whether asking GitHub again would not help. Without an app it waits for one; a key that is not taken may be replaced. */
export async function isForGood(error: unknown, { api }: Desk): Promise<boolean> {
  if (error instanceof NoAccess) return api.hasApp()
  return error instanceof GitHubRefused && error.status !== 401
}
