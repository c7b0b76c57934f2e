import { CommandId, type ThreadRef, type WorkspaceId } from '../../../command/ids.ts'
import { answerOnce } from '../out/comments.ts'
import type { Desk } from '../desk.ts'
import type { GitHubEvent } from './event.ts'
import { submit } from '../submit.ts'
import { checksInstruction, type FailedCheck } from './prompt.ts'
import { BadSettings, readSettings, type Settings, settingsOf } from './settings.ts'
import { markerOf } from '../text.ts'
import type { IssueThread } from '../threads.ts'

type Followed<Kind extends GitHubEvent['kind']> = Extract<GitHubEvent, { kind: Kind }>

/** Commits of one pull request whose failed checks an agent is given, until a person says something. */
const MAX_CHECKED = 3

/** What happens to issues and pull requests that have a thread. */
export async function follow(event: Exclude<GitHubEvent, { kind: 'message' }>, of: WorkspaceId, desk: Desk): Promise<void> {
  switch (event.kind) {
    case 'closed':
      return followClosed(event, of, desk)
    case 'reopened':
      return followReopened(event, of, desk)
    case 'check ended':
      return followChecks(event, of, desk)
    case 'pushed':
      return followPushed(event, of, desk)
  }
}

/** The thread is parked: what runs is interrupted and saved, its work tree given up. */
async function followClosed({ repository, number, onPull, merged }: Followed<'closed'>, of: WorkspaceId, desk: Desk): Promise<void> {
  // Of a pull request the thread that made it: another one may have begun meanwhile.
  const made = (await desk.threads.all(of)).find((each) => each.repository.id === repository.id && each.pull?.number === number)
  const thread = made ?? (onPull ? undefined : await desk.threads.ofNumber(of, repository, number))
  if (thread === undefined) return
  const ref = { ...of, threadId: thread.threadId }
  await desk.works().interrupt(ref)
  await desk.threads.change(of, thread.threadId, ({ pull }) => ({
    closed: true,
    ...(pull?.number === number ? { pull: { ...pull, state: merged ? ('merged' as const) : ('closed' as const) } } : {}),
  }))
  await desk.works().park(ref)
  await desk.progress.show(ref, { kind: 'closed' })
}

/** What is said there goes on in the thread that made it, unless another one was begun meanwhile. */
async function followReopened({ repository, number }: Followed<'reopened'>, of: WorkspaceId, desk: Desk): Promise<void> {
  const thread = await desk.threads.ofNumber(of, repository, number)
  if (thread?.pull?.number === number)
    await desk.threads.change(of, thread.threadId, ({ pull }) => (pull === undefined ? {} : { pull: { ...pull, state: 'open' } }))
}

/** When the last check of a commit has ended, those that failed are given to the agent. */
async function followChecks({ repository, sha }: Followed<'check ended'>, of: WorkspaceId, desk: Desk): Promise<void> {
  const { owner, name } = repository
  const found = await pullAt(sha, of, desk)
  if (found === undefined || found.thread.checked.includes(sha)) return
  const settings = await settingsOr(repository, desk)
  if (!settings.triggers.checks) return
  const request = desk.api.inRepository({ owner, name })
  const { data } = await request('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { owner, repo: name, ref: sha, per_page: 100, filter: 'latest' })
  if (data.check_runs.some(({ status }) => status !== 'completed')) return // its end is told too
  const failed = data.check_runs.flatMap(({ name: check, conclusion, output }): FailedCheck[] =>
    conclusion === 'failure' || conclusion === 'timed_out' ? [{ name: check, conclusion, title: output.title ?? '', summary: output.summary ?? '' }] : [],
  )
  if (failed.length === 0) return
  const { ref, thread, pull } = found
  const place = { repository: { owner, name }, number: pull, place: { kind: 'issue' as const, id: pull } }
  if (thread.checked.length >= MAX_CHECKED) {
    const text = `Checks failed again after ${MAX_CHECKED} attempts at mending them; a person has to look. A comment here goes on from it.`
    return answerOnce(desk.api, place, markerOf('answer', `checks ${thread.checked[0] ?? ''}`), text, 0)
  }
  const commandId = CommandId.parse(`github-${repository.id}-checks-${sha}`)
  desk.progress.begin(ref)
  const task = { commandId, type: 'edit' as const, instruction: checksInstruction(sha, failed), delivery: 'queue' as const }
  await submit({ ...task, maxCostUsd: settings.maxCostUsd }, ref, thread, place, desk)
  await desk.threads.change(of, thread.threadId, ({ checked }) => ({ checked: [...new Set([...checked, sha])] }))
}

/** The branch that pull requests are for has moved on: each is looked at for conflicts. */
async function followPushed({ repository, branch, after }: Followed<'pushed'>, of: WorkspaceId, desk: Desk): Promise<void> {
  const threads = (await desk.threads.all(of)).filter(
    ({ pull, base, repository: its }) => its.id === repository.id && pull?.state === 'open' && (base ?? repository.defaultBranch) === branch,
  )
  if (threads.length === 0) return
  const settings = await settingsOr(repository, desk)
  if (!settings.triggers.conflicts) return
  for (const thread of threads) {
    const ref: ThreadRef = { ...of, threadId: thread.threadId }
    const pull = thread.pull?.number ?? thread.number
    if (!(await desk.works().mayConflict(thread, pull))) continue
    const commandId = CommandId.parse(`github-${repository.id}-merge-${pull}-${after}`)
    const place = { repository: { owner: repository.owner, name: repository.name }, number: pull, place: { kind: 'issue' as const, id: pull } }
    await submit({ commandId, type: 'merge', instruction: branch, delivery: 'queue' }, ref, thread, { ...place, merges: branch }, desk)
  }
}

async function pullAt(
  sha: string,
  of: WorkspaceId,
  desk: Desk,
): Promise<{ readonly ref: ThreadRef; readonly thread: IssueThread; readonly pull: number } | undefined> {
  for (const thread of await desk.threads.all(of)) {
    const ref: ThreadRef = { ...of, threadId: thread.threadId }
    if (thread.pull?.state === 'open' && (await desk.works().tipOf(ref)) === sha) return { ref, thread, pull: thread.pull.number }
  }
  return undefined
}

/** Settings that are not valid are told to whoever writes something, and not here. */
const settingsOr = (repository: GitHubEvent['repository'], { api }: Desk): Promise<Settings> =>
  settingsOf(repository, api).catch((error: unknown) => {
    if (error instanceof BadSettings) return readSettings(undefined)
    throw error
  })
