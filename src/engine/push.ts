import { failpoint } from '../observe/failpoint.ts'
import type { Ending } from '../command/ending.ts'
import { RunFailure } from '../command/ending.ts'
import { threadKey, type ThreadRef } from '../command/ids.ts'
import { defaultBranch, originRef, resolve, treeOf, type Sha } from '../git/branch.ts'
import { commitTree } from '../git/commit.ts'
import { rebase } from '../git/rebase.ts'
import { filesTouched } from '../git/diff.ts'
import { AccessBusy, push, type Remote } from '../git/remote.ts'
import { originOf } from '../git/repository.ts'
import { stage } from '../git/stage.ts'
import { Fenced, refOf, type CommandRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { showCommit, tipOf } from '../workspace/thread-home.ts'
import { prepareThread } from './prepare.ts'
import type { Thread } from './thread.ts'
import { quiet } from './quiet.ts'
import { endingOf, notNow, ShuttingDown, Unfinished } from './reasons.ts'
import { TakenUp } from './taken-up.ts'
import { conclude, type Ran } from './run-command.ts'
import { GitError } from '../git/git.ts'
import { mendRepository } from './mend.ts'
import { spare } from './save.ts'
import { land } from './land.ts'
import type { Tools } from './tools.ts'

/** A push whose commit is fixed; what follows needs no turn of its thread. */
export interface Pushing {
  readonly run: CommandRecord
  readonly thread: Thread
  readonly remote: Remote
  readonly commit: Sha
}

/** Takes the commit to push, in the thread's turn. */
export async function beginPush(run: CommandRecord, tools: Tools, stop: AbortSignal): Promise<Pushing | Ending> {
  try {
    const thread = await prepareThread(run.command, {}, tools, stop)
    const origin = await originOf(thread.home.paths.repository)
    if (origin === undefined) throw new RunFailure('rejected', 'This workspace has no origin to push to: it did not begin from REPO_URL or a repoUrl.')
    const commit = await tipOf(thread.home)
    await refuseWorkflows(thread, commit, tools)
    return { run, thread, remote: tools.remoteFor(origin), commit }
  } catch (error) {
    return endingOf(stop.aborted ? stop.reason : error)
  }
}

/** What stands in workflows runs with the secrets of the repository, so an agent does not write them unless the operator wants that. */
async function refuseWorkflows({ home }: Thread, commit: Sha, { pushWorkflows }: Tools): Promise<void> {
  if (pushWorkflows) return
  const { gitDir } = home.checkout
  // Each commit counts, as for GitHub itself; what was merged in is at origin.
  const main = await resolve(gitDir, originRef(await defaultBranch(gitDir)))
  const workflows = await filesTouched(gitDir, commit, [home.base, ...(main === undefined ? [] : [main])], '.github/workflows')
  if (workflows.length === 0) return
  const why = `${workflows.slice(0, 10).join(', ')} would be changed by the commits of this branch. Nothing was pushed: workflows run with the secrets of the repository. What is wanted besides has to be asked for in a new thread, or whoever runs the service sets PUSH_WORKFLOWS=true.`
  throw new RunFailure('rejected', why)
}

/**
 * Pushes the fixed commit. Where the branch of origin has moved, waits for the thread's turn, replays our unpushed commits
 * on top of it once and pushes again; a conflict is reported and the branch left as it is. Nothing is ever forced.
 */
export async function finishPush(pushing: Pushing, tools: Tools, inTurn: <Value>(work: () => Promise<Value>) => Promise<Value>): Promise<Ran> {
  const { run, thread, remote, commit } = pushing
  const { repository } = thread.home.paths
  const { branch } = thread.home
  const end = (ending: Ending): Promise<Ran> => conclude(run, ending, { kind: 'nothing', skipped: [] }, thread, tools)
  try {
    const first = await push(repository, remote, branch, commit)
    await failpoint(first.kind === 'pushed' ? 'push.sent' : 'push.refused')
    if (first.kind === 'pushed') return await end(pushedEnding(commit, branch))
    const rebased = await inTurn(() => rebaseThread(run, thread, first.tip, tools))
    if (rebased.kind === 'conflict') return await end(conflict(rebased.files))
    const second = await push(repository, remote, branch, rebased.tip)
    if (second.kind === 'pushed') return await end(pushedEnding(rebased.tip, branch))
    return await end({ kind: 'failed', code: 'push_conflict', error: `${branch} was moved at origin twice while it was pushed. Push again.`, mayPass: false })
  } catch (error) {
    if (error instanceof Fenced || error instanceof Unfinished || error instanceof TakenUp) throw error
    if (error instanceof ShuttingDown || error instanceof RunFailure) return end(endingOf(error))
    if (error instanceof AccessBusy) return end(notNow(error, 'push_failed'))
    // Before the last attempt it is looked whether the repository is to blame, and not the way to origin.
    if (error instanceof GitError && run.attempt === tools.rules.attempts - 1) await tools.once(repository, () => mendRepository(thread.ref, tools))
    return end({ kind: 'failed', code: 'push_failed', error: tools.redact(messageOf(error)), mayPass: true })
  }
}

/**
 * Pushes a commit of a thread's branch beside whatever the thread does. Answers whether origin has it: not where its branch holds others,
 * so that a push has to wait for the thread's turn.
 *
 * @throws RunFailure where it may not be pushed; GitError, AccessBusy where origin cannot be reached
 */
export async function pushBeside(ref: ThreadRef, commit: Sha, tools: Tools): Promise<boolean> {
  const thread = tools.prepared.get(threadKey(ref))
  const origin = thread === undefined ? undefined : await originOf(thread.home.paths.repository)
  if (thread === undefined || origin === undefined) return false
  await refuseWorkflows(thread, commit, tools)
  const { branch, paths } = thread.home
  return (await push(paths.repository, tools.remoteFor(origin), branch, commit)).kind === 'pushed'
}

const pushedEnding = (commit: Sha, branch: string): Ending => ({ kind: 'completed', summary: `Pushed ${commit.slice(0, 8)} to ${branch}`, pushed: true })

const conflict = (files: readonly string[]): Ending => ({
  kind: 'failed',
  code: 'push_conflict',
  error: `The branch of origin holds commits that ours conflict with, in ${files.join(', ')}. Nothing was pushed and the branch is as it was.`,
  mayPass: false,
})

/** Moves the thread onto what origin has; its work tree follows. Recorded first, so that a crash in between is finished. */
async function rebaseThread(run: CommandRecord, thread: Thread, onto: Sha, tools: Tools) {
  const { home } = thread
  const { gitDir } = home.checkout
  const tip = await tipOf(home)
  await quiet(thread, tools)
  const staged = await stage(home.checkout, tools.holdsSecret)
  await spare(staged.skipped, [tip, onto], thread)
  // What nobody committed yet goes along as a commit of its own.
  const left = { subject: 'Save before rebasing', body: '', trailers: { 'Thread-Id': run.command.threadId } }
  const mine = staged.tree === (await treeOf(gitDir, tip)) ? tip : await commitTree(gitDir, staged.tree, [tip], left, tools.author)
  const rebased = await rebase(gitDir, mine, onto)
  if (rebased.kind === 'conflict') return rebased
  const ending = pushedEnding(rebased.tip, home.branch)
  const saving = { ending, commit: rebased.tip, before: tip, subject: '', files: [], skipped: [], checkout: true, rebased: rebased.made }
  if ((await tools.journal.saving(refOf(run.command), saving)) === 'lost') throw new Fenced()
  await land(saving, staged.indexFile, thread)
  await showCommit(home, rebased.tip)
  return rebased
}
