import { failpoint } from '../observe/failpoint.ts'
import { outcomeOf, RunFailure, type Ending } from '../command/ending.ts'
import type { Skipped } from '../command/result.ts'
import { branchRef, commitAndTree, treeOf, type Sha } from '../git/branch.ts'
import { commitTree, type Message } from '../git/commit.ts'
import { adoptIndex, resetIndex } from '../git/checkout.ts'
import { changedFiles, listFiles } from '../git/diff.ts'
import { GitError } from '../git/git.ts'
import { mergeTrees } from '../git/merge.ts'
import { tipOf } from '../workspace/thread-home.ts'
import { stage } from '../git/stage.ts'
import { Fenced, refOf, type CommandRecord, type Saving } from '../journal/journal.ts'
import { firstLine, withoutReferences } from '../observe/text.ts'
import { mendRepository } from './mend.ts'
import { prepareThread } from './prepare.ts'
import { land } from './land.ts'
import { Unfinished } from './reasons.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'
import { treeWith } from './write.ts'

export type Saved =
  | { readonly kind: 'nothing'; readonly skipped: readonly Skipped[] }
  | {
      readonly kind: 'committed'
      readonly commit: Sha
      readonly subject: string
      readonly files: readonly string[]
      readonly skipped: readonly Skipped[]
      readonly conflicts?: readonly string[]
    }

/**
 * Commits what a run left in the work tree. The commit is made first, then recorded, then the branch moves, so that a crash
 * at any point either changes nothing or is finished by recovery. Equal trees are the only sign that there is nothing to commit.
 * On a full disk the room that was kept back is used, and a damaged repository is mended first.
 */
export async function save(run: CommandRecord, ending: Ending, thread: Thread, tools: Tools): Promise<Saved> {
  await tools.previews.standStill(thread.home.slot.slot)
  try {
    return await saveNow(run, ending, thread, tools)
  } catch (error) {
    if (error instanceof Fenced || error instanceof Unfinished || error instanceof RunFailure) throw error
    if (await tools.room.makeRoom()) {
      tools.log.warn({ event: 'reserve.used', threadId: run.command.threadId, commandId: run.command.commandId })
      return saveNow(run, ending, thread, tools)
    }
    const { repository } = thread.home.paths
    const mended = error instanceof GitError && !(await tools.room.isFull()) && (await tools.once(repository, () => mendRepository(thread.ref, tools)))
    // Nothing is wrong with the repository: it may be the index, which holds nothing that is not on the branch or in the work tree.
    if (error instanceof GitError && !mended) await resetIndex(thread.home.checkout, await tipOf(thread.home))
    else if (!mended) throw error
    return saveNow(run, ending, mended ? await prepareThread(run.command, {}, tools, new AbortController().signal) : thread, tools)
  }
}

async function saveNow(run: CommandRecord, ending: Ending, thread: Thread, tools: Tools): Promise<Saved> {
  const { home } = thread
  const { gitDir } = home.checkout
  const { commit: tip, tree } = await commitAndTree(gitDir, branchRef(home.branch))
  const staged = await stage(home.checkout, tools.holdsSecret)
  await failpoint('save.staged')
  const changed = staged.tree !== tree
  const { restores, merges, writes } = ending.kind === 'completed' ? ending : { restores: undefined, merges: undefined, writes: undefined }
  if (restores !== undefined) await spare(staged.skipped, [tip, restores], thread)
  // What anybody may have written there closes no issue when the branch is merged.
  const shown = (text: string): string => tools.redact(run.way === 'github' ? withoutReferences(text) : text)
  const subject = shown(subjectOf(run, ending))
  const message = (text: string): Message => ({ subject: text, body: shown(bodyOf(run)), trailers: trailersOf(run, ending, thread) })

  let commit = tip
  const first =
    (restores ?? merges ?? writes) ? `Save before ${restores !== undefined ? 'going back' : merges !== undefined ? 'merging' : 'editing by hand'}` : subject
  if (changed) commit = await commitTree(gitDir, staged.tree, [tip], message(first), tools.author)
  const mine = commit
  if (restores !== undefined && staged.tree !== (await treeOf(gitDir, restores)))
    commit = await commitTree(gitDir, await treeOf(gitDir, restores), [commit], message(subject), tools.author)
  const written = writes === undefined ? undefined : await treeWith(staged.tree, writes, home.checkout)
  if (written !== undefined && written !== staged.tree) {
    commit = await commitTree(gitDir, written, [commit], message(subject), tools.author)
    await spare(staged.skipped, [tip, commit], thread)
  }
  const merged = merges === undefined ? undefined : await mergeTrees(gitDir, commit, merges)
  const conflicts = merged?.conflicts ?? []
  if (merged !== undefined && merges !== undefined && conflicts.length > 0) {
    await spare(staged.skipped, [tip, merges], thread)
    commit = await commitTree(gitDir, merged.tree, [commit, merges], message(subject), tools.author)
  }
  if (commit === tip) {
    await adoptIndex(home.checkout, staged.indexFile)
    return { kind: 'nothing', skipped: staged.skipped }
  }
  await failpoint('save.committed')
  const files = await changedFiles(gitDir, tip, commit)
  const saving: Saving = {
    ending,
    commit,
    before: tip,
    subject,
    files,
    skipped: staged.skipped,
    read: tools.steered.read(refOf(run.command)),
    ...(restores === undefined ? {} : { restores, checkout: true }),
    ...(written === undefined ? {} : { checkout: true }),
    ...(conflicts.length === 0 ? {} : { conflicts, checkout: true }),
    ...(mine === tip || commit === mine ? {} : { kept: { commit: mine, subject: first } }),
  }
  if ((await tools.journal.saving(refOf(run.command), saving)) === 'lost') throw new Fenced()
  await land(saving, staged.indexFile, thread)
  return { kind: 'committed', commit, subject, files, skipped: staged.skipped, ...(conflicts.length === 0 ? {} : { conflicts }) }
}

/**
 * A checkout brings back files that are in a commit, whatever lies there.
 *
 * @throws RunFailure where one of those holds what could not be saved
 */
export async function spare(skipped: readonly Skipped[], commits: readonly Sha[], { home }: Thread): Promise<void> {
  const paths = new Set(skipped.map(({ path }) => path))
  if (paths.size === 0) return
  for (const commit of commits) {
    const lost = (await listFiles(home.checkout.gitDir, commit)).find((file) => paths.has(file.path))
    if (lost !== undefined)
      throw new RunFailure(
        'rejected',
        `${lost.path} cannot be saved (${skipped.find(({ path }) => path === lost.path)?.reason}) and would be overwritten. Nothing was done; have it moved or made smaller first.`,
      )
  }
}

const SUBJECT_LENGTH = 72

function subjectOf({ command, carried }: CommandRecord, ending: Ending): string {
  const asked = firstLine([...carried, command].map((each) => each.instruction).join('\n'), SUBJECT_LENGTH) || command.type
  switch (ending.kind) {
    case 'completed':
      return command.type === 'commit' ? asked : firstLine(ending.summary, SUBJECT_LENGTH) || asked
    case 'interrupted':
      return 'Interrupted by new message'
    case 'shutdown':
      return 'Interrupted by a restart of the service'
    case 'recovered':
      return 'Recovered after a crash'
    case 'failed':
      return firstLine(`Failed (${ending.code}): ${asked}`, SUBJECT_LENGTH)
  }
}

const bodyOf = ({ command, carried }: CommandRecord): string => [...carried, command].map((each) => each.instruction).join('\n\n---\n\n')

function trailersOf({ command }: CommandRecord, ending: Ending, { record }: Thread): Message['trailers'] {
  return {
    'Thread-Id': command.threadId,
    'Command-Id': command.commandId,
    'Agent-Session': command.type === 'edit' ? record.sessionId : undefined,
    'Requested-By': command.userEmail ?? command.author,
    Outcome: outcomeOf(ending),
  }
}
