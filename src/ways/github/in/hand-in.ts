import { CommandId, type ThreadId, type ThreadRef, type WorkspaceId } from '../../../command/ids.ts'
import { failpoint } from '../../../observe/failpoint.ts'
import { answerOnce, react, type AnswerTo } from '../out/comments.ts'
import type { Desk } from '../desk.ts'
import { submit } from '../submit.ts'
import type { Message } from './event.ts'
import { GitHubRefused } from '../api/refusals.ts'
import { instructionOf, stillConflicted } from './prompt.ts'
import type { Settings } from './settings.ts'
import { markerOf, quietLine, shownText } from '../text.ts'
import { nextThreadId, type IssueThread } from '../threads.ts'

/** An issue that is opened with a label, or assigned at once, is told by several events. */
const TOGETHER_MS = 60_000

export const answerToOf = ({ repository: { owner, name }, number, answerTo }: Message): AnswerTo => ({ repository: { owner, name }, number, place: answerTo })

/** Hands a message in that is wanted and allowed, and shows that it was seen. Doing it again, after a crash, changes nothing. */
export async function handIn(message: Message, settings: Settings, of: WorkspaceId, desk: Desk): Promise<void> {
  const { repository, number } = message
  const [former, to] = [await desk.threads.ofNumber(of, repository, number), answerToOf(message)]
  const known = former !== undefined && goesOn(former) ? former : undefined
  const foreign = message.onPull && former === undefined
  const base = foreign ? await headOf(message, desk) : undefined
  if (foreign && base === undefined) {
    const text = 'The branch of this pull request is in another repository, to which nothing can be pushed from here.'
    return answerOnce(desk.api, to, markerOf('answer', commandIdOf(message)), text, 0)
  }
  const thread = known === undefined ? await begin(message, settings, of, former, base, desk) : await renamed(known, repository, of, desk)
  const ref: ThreadRef = { ...of, threadId: thread.threadId }
  const commandId = commandIdOf(message)
  // After a crash it is the first one still.
  const isFirst = (await desk.journal.history(ref, { limit: 2 })).every(({ command }) => command.commandId === commandId)
  const instruction = instructionOf(message, isFirst, thread.before) + stillConflicted(thread.conflicted)
  if (thread.checked.length > 0 || thread.closed === true) await desk.threads.change(of, thread.threadId, { checked: [], closed: undefined }) // a person looks after it
  if ((await desk.journal.command({ workspace: of, commandId })) === undefined) {
    desk.progress.begin(ref)
    for (const step of ['received', 'verified'] as const) desk.progress.reach(ref, step)
  }
  const what = { commandId, type: 'edit' as const, instruction, delivery: 'interrupt' as const, branch: thread.base ?? repository.defaultBranch }
  const record = await submit({ ...what, maxCostUsd: settings.maxCostUsd, requestedBy: message.actor }, ref, thread, to, desk)
  await failpoint('github.accepted')
  if (record === undefined || (record.known && record.state === 'ended')) return // it was seen, and its answer is on its way
  // It is being worked on, whether or not that can be shown: the comment was deleted, or the issue is locked.
  const refused = (error: unknown): void => {
    if (!(error instanceof GitHubRefused)) throw error
    desk.log.warn({ event: 'github.not_shown', threadId: ref.threadId, commandId, error: error.message })
  }
  const fresh = known === undefined && !record.known
  await Promise.all([desk.progress.show(ref, { kind: 'working' }, { fresh }).catch(refused), react(desk.api, to).catch(refused)])
}

/** A thread whose pull request was closed or merged has come to its end: what is said there later begins another one. */
const goesOn = ({ pull }: IssueThread): boolean => pull === undefined || pull.state === 'open'

/** The thread that a message belongs to, given the one that its issue has. */
export const threadIdFor = ({ number, onPull }: Message, former: IssueThread | undefined): ThreadId =>
  former === undefined ? nextThreadId(number, onPull, undefined) : goesOn(former) ? former.threadId : nextThreadId(former.number, former.onPull, former)

/** The same message has the same id, by whatever delivery it comes. */
export function commandIdOf(message: Message): CommandId {
  const { repository, by, number, answerTo, at = '', subject } = message
  const together = Math.abs(Date.parse(at) - Date.parse(subject.createdAt)) < TOGETHER_MS
  switch (by) {
    case 'opened':
      return CommandId.parse(`github-${repository.id}-issue-${number}`)
    case 'labeled':
    case 'assigned':
      return CommandId.parse(`github-${repository.id}-issue-${number}${together ? '' : `-${Date.parse(at)}`}`)
    case 'comment':
    case 'review':
      return CommandId.parse(`github-${repository.id}-${by}-${answerTo.id}`)
    case 'review comment':
      return CommandId.parse(`github-${repository.id}-review-comment-${message.commentId}`)
  }
}

/** The branch of a pull request; `undefined` where it is in another repository. */
export async function headOf({ repository: { id, owner, name }, number, head }: Message, { api }: Desk): Promise<string | undefined> {
  if (head !== undefined) return head.own ? head.ref : undefined
  const { data } = await api.inRepository({ owner, name })('GET /repos/{owner}/{repo}/pulls/{pull_number}', { owner, repo: name, pull_number: number })
  return data.head.repo?.id === id ? data.head.ref : undefined
}

/** A repository may have got another name, owner or default branch since. */
async function renamed(thread: IssueThread, repository: Message['repository'], of: WorkspaceId, desk: Desk): Promise<IssueThread> {
  const { owner, name, defaultBranch } = thread.repository
  const isSame = owner === repository.owner && name === repository.name && defaultBranch === repository.defaultBranch
  return isSame ? thread : desk.threads.change(of, thread.threadId, { repository })
}

async function begin(
  message: Message,
  { draft, maxCostUsd }: Settings,
  of: WorkspaceId,
  former: IssueThread | undefined,
  base: string | undefined,
  desk: Desk,
): Promise<IssueThread> {
  const { repository, number, onPull, subject } = message
  const threadId = threadIdFor(message, former)
  const thread: IssueThread = {
    threadId,
    repository,
    number: former?.number ?? number,
    onPull: former?.onPull ?? onPull,
    title: former?.title ?? titleOf(subject.title, number),
    draft,
    numbers: [...new Set([...(former?.numbers ?? []), number])],
    checked: [],
    conflicted: [],
    ...(maxCostUsd === undefined ? {} : { maxCostUsd }),
    ...(base === undefined ? (former?.base === undefined ? {} : { base: former.base }) : { base }),
    ...(former?.pull === undefined ? {} : { before: former.pull.url }),
  }
  return desk.threads.begin(of, thread)
}

/** Longest title that GitHub takes is 256 characters. */
const MAX_TITLE = 240

const titleOf = (title: string, number: number): string => {
  const line = quietLine(shownText(title), MAX_TITLE).slice(0, MAX_TITLE).toWellFormed().trim()
  return line === '' ? `Issue ${number}` : line
}
