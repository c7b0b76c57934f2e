import { failpoint } from '../observe/failpoint.ts'
import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Ending } from '../command/ending.ts'
import { threadKey, workspaceKey } from '../command/ids.ts'
import { branchRef, isAncestor, moveRef } from '../git/branch.ts'
import { removeStaleLocks } from '../git/locks.ts'
import { resetIndex } from '../git/checkout.ts'
import { refOf, type CommandRecord, type Saving, type ThreadRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { endAll, endGits } from '../process/end-all.ts'
import { belongsTo, processTable } from '../process/table.ts'
import { servicePaths, threadPaths } from '../workspace/paths.ts'
import { checkoutTree, showCommit, tipOf } from '../workspace/thread-home.ts'
import { namesOf, previewSlot, slotOf } from './names.ts'
import { prepareThread } from './prepare.ts'
import type { Thread } from './thread.ts'
import { endingOf } from './reasons.ts'
import { conclude, notSaved, type Ran } from './run-command.ts'
import { quiet } from './quiet.ts'
import { save, type Saved } from './save.ts'
import type { Tools } from './tools.ts'

/**
 * What start-up finds and does about it, in this order: processes of former runs are ended, locks and half-made files of dead
 * programs are removed, and every command that was in work is finished, failed or queued again.
 *
 * What cannot be recovered keeps nobody else from starting: it is told, and tried again in its turn.
 *
 * @returns the commands that are not ended, in the order in which they were accepted; without those that end with another one
 */
export async function recover(tools: Tools): Promise<readonly CommandRecord[]> {
  const threads = await tools.journal.everyThread()
  await endLeftProcesses([...threads, ...(await tools.journal.spares())], tools)
  await endGits(tools.root).catch((error: unknown) => tools.log.error({ event: 'git.not_ended', error: messageOf(error) }))
  await failpoint('recovery.processes_ended')
  await removeStaleFiles(threads, tools)
  await failpoint('recovery.stale_removed')
  const unfinished = await tools.journal.unfinished()
  for (const run of unfinished.filter((each) => each.state !== 'queued' && each.joins === undefined)) {
    const ran = await recoverRun(run, tools).catch((error: unknown) =>
      tools.log.error({ event: 'run.not_recovered', commandId: run.command.commandId, err: error }),
    )
    if (ran === undefined) continue
    tools.log.info({ event: 'run.recovered', commandId: run.command.commandId, threadId: run.command.threadId, state: run.state, outcome: ran.kind })
  }
  return (await tools.journal.unfinished()).filter((each) => each.joins === undefined)
}

async function endLeftProcesses(owners: readonly Pick<ThreadRecord, 'slot' | 'slotNumber'>[], tools: Tools): Promise<void> {
  const processes = await processTable()
  const installs = { slot: tools.installing.slot, identity: tools.identities.install() }
  for (const slot of [installs, ...owners.flatMap((owner) => [slotOf(owner, tools), previewSlot(owner, tools)])]) {
    if (!processes.some((entry) => belongsTo(entry, slot.slot, slot.identity))) continue
    const count = await endAll(slot).catch((error: unknown) => messageOf(error))
    tools.log.warn({ event: 'processes.ended', slot: slot.slot, count })
  }
}

/** Nothing of git runs yet and the lease is held, so whatever locks there are belong to the dead. */
async function removeStaleFiles(threads: readonly ThreadRecord[], tools: Tools): Promise<void> {
  const repositories = new Set<string>()
  for (const { ref, slot } of new Map(threads.map((thread) => [workspaceKey(thread.ref), thread])).values())
    repositories.add(threadPaths(tools.root, await namesOf(ref, tools), slot).repository)
  for (const repository of repositories) {
    await removeStaleLocks(repository)
    await removeMatching(join(repository, 'objects', 'pack'), /^tmp_/)
    for (const view of ['threads', 'sessions']) await removeMatching(join(dirname(repository), '.claude', view), /\.making-[0-9a-f]{12}$/)
    await removeMatching(dirname(repository), /^(\..*|metadata\.json)\.making-[A-Za-z0-9]+$/) // no id begins with a dot, or is metadata.json…
  }
  await removeMatching(servicePaths(tools.root).indexes, /\.(lock|next|making|next\.making-[A-Za-z0-9]+)$/)
  await removeMatching(servicePaths(tools.root).store, /^\.[0-9a-f]{32}\.making-/)
}

async function removeMatching(folder: string, pattern: RegExp): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) if (pattern.test(name)) await rm(join(folder, name), { recursive: true, force: true })
}

/** Finishes, fails or queues again a command whose run ended without saying how: with the service, or by an error of ours. */
export async function recoverRun(run: CommandRecord, tools: Tools): Promise<Ran> {
  const never = new AbortController().signal
  tools.prepared.delete(threadKey(run.command))
  let thread: Thread
  try {
    thread = await prepareThread(run.command, { repoUrl: run.command.repoUrl, startFrom: run.command.context?.branch }, tools, never)
  } catch (error) {
    if (run.saving !== undefined) throw error // its commit is recorded, and has to get onto its branch first
    return conclude(run, endingOf(error), { kind: 'nothing', skipped: [] }, undefined, tools)
  }
  const { repository } = thread.home.paths
  await tools.once(repository, () => removeStaleLocks(repository))
  if (run.saving !== undefined) await finishSaving(run.saving, thread)
  await failpoint('recovery.saving_finished')
  if (run.command.type === 'push') return again(run, undefined, tools)
  if (run.command.type === 'preview')
    return run.crashes + 1 >= tools.rules.crashes
      ? conclude(run, { kind: 'recovered' }, { kind: 'nothing', skipped: [] }, thread, tools)
      : again(run, undefined, tools)
  if (run.saving !== undefined && run.saving.ending.kind !== 'recovered')
    return conclude(run, run.saving.ending, { kind: 'committed', ...run.saving }, thread, tools)

  const left = await saveLeft(run, thread, tools)
  if (left.kind === 'failed') return conclude(run, left, { kind: 'nothing', skipped: [] }, thread, tools)
  await failpoint('recovery.left_saved')
  await showCommit(thread.home, await tipOf(thread.home))
  if (run.interruptedBy !== undefined) return conclude(run, { kind: 'interrupted', by: run.interruptedBy }, left, thread, tools)
  if (run.crashes + 1 >= tools.rules.crashes) return conclude(run, { kind: 'recovered' }, left, thread, tools)
  return again(run, left.kind === 'committed' ? left.commit : run.note?.commit, tools)
}

/** What the run had written; a recovery that was broken off may have committed it. */
async function saveLeft(run: CommandRecord, thread: Thread, tools: Tools): Promise<Saved | Extract<Ending, { kind: 'failed' }>> {
  if (run.saving !== undefined) return { kind: 'committed', ...run.saving }
  await quiet(thread, tools)
  return save(run, { kind: 'recovered' }, thread, tools).catch((error: unknown) => notSaved(error, tools))
}

async function again(run: CommandRecord, commit: string | undefined, tools: Tools): Promise<Ran> {
  await tools.journal.requeue(refOf(run.command), { counted: true, crashed: true, note: { reason: 'crash', commit }, at: Date.now() })
  return { kind: 'again', inMs: 0, why: 'The service was stopped hard; the message goes on.' }
}

/** The commit exists; the branch may or may not have moved to it, and the work tree may not have followed. */
async function finishSaving(saving: Saving, thread: Thread): Promise<void> {
  const { home } = thread
  const { gitDir } = home.checkout
  const tip = await tipOf(home)
  if (tip === saving.before) await moveRef(gitDir, branchRef(home.branch), saving.commit, tip, thread.fence)
  else if (!(await isAncestor(gitDir, saving.commit, tip))) throw new Error(`${home.branch} is neither at ${saving.before} nor at ${saving.commit}`)
  if (saving.checkout === true) {
    await resetIndex(home.checkout, saving.restores === undefined && saving.conflicts === undefined ? saving.before : `${saving.commit}^`)
    await checkoutTree(home, saving.commit)
  } else await resetIndex(home.checkout, await tipOf(home))
  await showCommit(home, await tipOf(home))
}
