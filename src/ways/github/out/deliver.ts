import { CommandId, type ThreadRef } from '../../../command/ids.ts'
import type { Result } from '../../../command/result.ts'
import type { Delivery } from '../../../journal/journal.ts'
import { failpoint } from '../../../observe/failpoint.ts'
import { messageOf } from '../../../observe/text.ts'
import { answerOnce } from './comments.ts'
import { isForGood, type Desk } from '../desk.ts'
import { submit } from '../submit.ts'
import { readReplyTo, type ReplyPlace } from './place.ts'
import { conflictInstruction } from '../in/prompt.ts'
import { openPullRequest } from './pull-request.ts'
import { GitHubRefused } from '../api/refusals.ts'
import { markerOf } from '../text.ts'
import type { IssueThread } from '../threads.ts'
import { answerText, pullRequestText, type Standing } from './wording.ts'

/** How far an answer is looked for before its command ended; clocks differ. */
const EARLIER_MS = 10 * 60_000

/**
 * Brings the result of a command to its issue: what changed is pushed and becomes a pull request; else it is answered. Each step looks
 * first whether it was done, so that after a crash, or where GitHub's answer was lost, nothing is done twice.
 *
 * @throws GitHubBusy, and whatever keeps it from arriving; it is tried again
 */
export async function deliver({ workspace, threadId, to, result }: Delivery, desk: Desk): Promise<void> {
  const place = readReplyTo(to)
  const ref: ThreadRef = { ...workspace, threadId }
  const thread = await desk.threads.get(workspace, threadId)
  if (thread === undefined) throw new Error(`nothing is known of the issue of ${threadId}`)
  try {
    if (place.merges !== undefined) await deliverMerge(ref, thread, place, result, desk)
    else if (place.pushOf === undefined) await deliverEdit(ref, thread, place, result, desk)
    else await deliverPush(ref, thread, place, result, desk)
  } catch (error) {
    // The issue is locked, deleted, or the app may not write there any more: asking again would not help.
    if (!(await isForGood(error, desk))) throw error
    desk.log.error({ event: 'github.not_told', threadId, commandId: result.commandId, error: messageOf(error) })
  }
}

async function deliverEdit(ref: ThreadRef, thread: IssueThread, place: ReplyPlace, result: Result, desk: Desk): Promise<void> {
  // Who took it along, or what it was steered into, answers for it.
  if (result.code === 'superseded' || result.joined !== undefined) return
  if (result.code === 'interrupted') {
    const [latest] = await desk.journal.history(ref, { limit: 1 })
    if (latest === undefined || latest.state === 'ended') await desk.progress.show(ref, { kind: thread.closed === true ? 'closed' : 'stopped' })
    return
  }
  const unresolved = thread.conflicted.length === 0 ? [] : await desk.works().unresolved(ref, thread.conflicted)
  if (unresolved.length > 0) {
    const why = `${unresolved.join(', ')} still ${unresolved.length === 1 ? 'holds' : 'hold'} conflict markers, so nothing was pushed. Say in a comment how to resolve them.`
    return tell(ref, thread, place, { ...result, success: false, code: 'rejected', error: why }, { kind: 'failed' }, desk)
  }
  if (thread.conflicted.length > 0) await desk.threads.change(ref, ref.threadId, { conflicted: [] })
  // Or a run before it, that failed, has left something that was not proposed.
  const proposes = result.success && thread.pull === undefined && (await desk.works().changes(ref)).files.length > 0
  if (result.commit !== undefined || proposes) {
    const commandId = CommandId.parse(`${result.commandId}-push`)
    await submit({ commandId, type: 'push', instruction: '', delivery: 'queue' }, ref, thread, { ...place, pushOf: result.commandId }, desk)
    await failpoint('github.push_asked')
    return
  }
  await tell(ref, thread, place, result, standingOf(result), desk)
}

const standingOf = ({ success, question }: Result): Standing => ({ kind: question !== undefined ? 'question' : success ? 'answered' : 'failed' })

/** A branch was merged in; where it conflicts, the agent is asked to resolve that. */
async function deliverMerge(ref: ThreadRef, thread: IssueThread, { merges = '', ...place }: ReplyPlace, result: Result, desk: Desk): Promise<void> {
  if (!result.success) return tell(ref, thread, place, result, { kind: 'failed' }, desk)
  if (result.conflicts === undefined) return
  const commandId = CommandId.parse(`${result.commandId}-resolve`)
  const marked = await desk.works().unresolved(ref, [...new Set([...thread.conflicted, ...result.conflicts])]) // of an earlier merge too
  const others = result.conflicts.filter((file) => !marked.includes(file))
  await desk.threads.change(ref, ref.threadId, { conflicted: marked })
  desk.progress.begin(ref)
  const task = { commandId, type: 'edit' as const, instruction: conflictInstruction(merges, marked, others), delivery: 'queue' as const }
  await submit({ ...task, maxCostUsd: thread.maxCostUsd }, ref, thread, place, desk)
}

async function deliverPush(ref: ThreadRef, thread: IssueThread, place: ReplyPlace, pushed: Result, desk: Desk): Promise<void> {
  const commandId = CommandId.parse(place.pushOf)
  const result = (await desk.journal.command({ workspace: ref, commandId }))?.result
  if (result === undefined) throw new Error(`the command ${commandId} whose work was pushed is not known`)
  if (!pushed.success) return tell(ref, thread, place, pushed, { kind: 'failed' }, desk)
  desk.progress.reach(ref, 'branch')
  // What a failed run has left is on the branch to be looked at; it asks for nothing to be merged.
  if (!result.success) return tell(ref, thread, place, result, { kind: 'failed' }, desk)
  let now = thread
  try {
    if (thread.pull === undefined) now = await propose(ref, thread, result, desk)
  } catch (error) {
    if (!(error instanceof GitHubRefused) || error.status === 401) throw error
    const why = `The work is on the branch, and GitHub opens no pull request for it: ${error.message}`
    return tell(ref, thread, place, { ...result, success: false, code: 'rejected', error: why }, { kind: 'failed' }, desk)
  }
  await failpoint('github.pull_noted')
  desk.progress.reach(ref, 'pull request')
  // The pull request itself answers the issue that it is for.
  const answered = now.pull?.by === result.commandId && place.place.kind === 'issue' && result.question === undefined
  await tell(ref, now, place, result, result.question === undefined ? { kind: 'pull request', summary: result.summary } : { kind: 'question' }, desk, answered)
}

const picturesOf = (ref: ThreadRef, { pictures = [] }: Result, { pictureUrl }: Desk): readonly string[] =>
  pictureUrl === undefined ? [] : pictures.map((path) => pictureUrl(ref, path))

/** Opens the pull request and notes it. */
async function propose(ref: ThreadRef, thread: IssueThread, result: Result, desk: Desk): Promise<IssueThread> {
  const { repository, base, draft } = thread
  const pictures = picturesOf(ref, result, desk)
  const closes = !thread.onPull && base === undefined
  const changes = await desk.works().changes(ref)
  const made = await openPullRequest(desk.api, {
    repository,
    head: result.branch ?? `thread-${thread.threadId}`,
    base, // the default branch of today, where it is none
    title: thread.title,
    body: `${pullRequestText(thread, result, { pictures, closes, ...changes })}\n\n${markerOf('pull request', thread.threadId)}`,
    draft,
  })
  await failpoint('github.pull_made')
  return desk.threads.change(ref, ref.threadId, ({ numbers }) => ({
    pull: { number: made.number, url: made.url, state: 'open', by: result.commandId },
    numbers: [...new Set([...numbers, made.number])],
  }))
}

async function tell(ref: ThreadRef, thread: IssueThread, place: ReplyPlace, result: Result, standing: Standing, desk: Desk, answered = false): Promise<void> {
  const marker = markerOf('answer', place.pushOf ?? result.commandId)
  if (!answered) await answerOnce(desk.api, place, marker, answerText(result, thread.pull, picturesOf(ref, result, desk)), result.timestamp - EARLIER_MS)
  await failpoint('github.answered')
  desk.progress.reach(ref, 'clean-up')
  const [latest] = await desk.journal.history(ref, { limit: 1 })
  // What came meanwhile is worked on, and shows how it stands itself.
  if (latest === undefined || latest.state === 'ended') await desk.progress.show(ref, standing)
}
