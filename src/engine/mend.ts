import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { threadKey, workspaceKey, type ThreadRef } from '../command/ids.ts'
import { branchRef, defaultBranch, originRef, resolve, type Sha } from '../git/branch.ts'
import { damageOf, removeEmptyRefs, replaceBrokenRef, restoreHead, salvage } from '../git/damage.ts'
import { git } from '../git/git.ts'
import { removeStaleLocks } from '../git/locks.ts'
import { fetchOrigin } from '../git/remote.ts'
import { originOf, remakeRepository } from '../git/repository.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import { branchOf, threadPaths } from '../workspace/paths.ts'
import { exists } from '../workspace/files.ts'
import { namesOf } from './names.ts'
import type { Tools } from './tools.ts'

/**
 * Looks what is wrong with the repository of a workspace that git has failed on, and mends it: locks of dead programs go, HEAD and
 * branches come from what the journal knows; where objects are missing or corrupt, the repository is set aside and made anew from
 * what of it is whole. No work tree is touched: what its files hold beyond the branch is saved with the next run.
 *
 * @returns whether something was mended, so that what failed may be tried again
 */
export async function mendRepository(of: ThreadRef, tools: Tools): Promise<boolean> {
  const threads = await Promise.all(
    (await tools.journal.everyThread()).filter((thread) => workspaceKey(thread.ref) === workspaceKey(of)).map((thread) => placeOf(thread, tools)),
  )
  const repository = threads[0]?.repository
  if (repository === undefined || !(await exists(repository))) return false
  if (await removeStaleLocks(repository)) return true
  let mended = await restoreHead(repository)
  mended = (await removeEmptyRefs(repository)) || mended
  for (const { ref, commits } of threads)
    if (commits.length > 0 && (await resolve(repository, ref)) === undefined) mended = (await replaceBrokenRef(repository, ref, commits)) || mended
  const damage = await damageOf(repository)
  if (damage !== undefined) {
    await remake(repository, threads, damage, tools)
    mended = true
  }
  if (mended) tools.log.error({ event: 'repository.mended', repository })
  if (mended) for (const { thread } of threads) tools.prepared.delete(threadKey(thread.ref))
  return mended
}

type Place = Awaited<ReturnType<typeof placeOf>>

/** What cannot be read is kept aside; every branch goes to its latest commit that is whole. Made beside it first, so that there is always one. */
async function remake(repository: string, threads: readonly Place[], damage: string, tools: Tools): Promise<void> {
  const folder = asideOf(repository)
  const aside = join(folder, `${basename(repository)}-${new Date().toISOString().replaceAll(':', '-')}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  tools.log.error({ event: 'repository.set_aside', repository, aside, damage })
  await remakeRepository(repository, aside, async (gitDir) => {
    const head = await defaultBranch(repository)
    await git(['symbolic-ref', 'HEAD', branchRef(head)], { gitDir })
    const origin = await originOf(gitDir)
    if (origin !== undefined) await fetchOrigin(gitDir, tools.remoteFor(origin), {}).catch(() => {}) // what was pushed is there when it can be reached
    const known = new Map(threads.map(({ ref, commits }) => [ref, commits]))
    const taken: Sha[] = []
    for (const ref of new Set([...(await refsOf(repository)), ...known.keys()])) {
      const tip = await resolve(repository, ref)
      const candidates = [...new Set([...(tip === undefined ? [] : [tip]), ...(known.get(ref) ?? [])])]
      const commit = await salvage(repository, gitDir, ref, { candidates, taken })
      if (commit !== undefined) taken.push(commit)
      tools.log.warn({ event: 'branch.salvaged', repository, ref, tip, commit })
    }
    const start = (await resolve(gitDir, branchRef(head))) ?? (await resolve(gitDir, originRef(head)))
    if (start !== undefined) await git(['update-ref', branchRef(head), start], { gitDir })
    // Without its index a work tree is looked at file by file, and whatever the branch lacks counts as changed.
    for (const { index } of threads) await rm(index, { force: true })
  })
}

/** `2026-01-31T23-59-59.999Z` */
const WHEN = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/
const asideOf = (repository: string): string => join(dirname(repository), '.damaged')

/** A crash between the two renames of a remake leaves none in its place: the one that was set aside comes back, to be mended anew. */
export async function bringBack(repository: string): Promise<void> {
  // Behind its name stands when it was set aside, and nothing else: another project may be called the same with more behind it.
  const own = `${basename(repository)}-`
  const names = (await readdir(asideOf(repository)).catch(() => [])).filter((name) => name.startsWith(own) && WHEN.test(name.slice(own.length)))
  const latest = names.toSorted().at(-1)
  if (latest !== undefined) await rename(join(asideOf(repository), latest), repository)
}

/** Branches, ours and origin's. */
async function refsOf(gitDir: string): Promise<readonly string[]> {
  const { text } = await git(['for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/remotes'], { gitDir })
  return text.split('\n').filter((ref) => ref !== '')
}

/** A thread, and every commit that the journal knows of its branch, latest first. */
async function placeOf(thread: ThreadRecord, tools: Tools) {
  const names = await namesOf(thread.ref, tools)
  const { repository, index } = threadPaths(tools.root, names, thread.slot)
  const checkpoints = (await tools.journal.checkpoints(thread.ref)).map(({ commit }) => commit)
  const commits = [...(thread.base === undefined ? [] : [thread.base]), ...checkpoints].toReversed()
  return { thread, repository, index, ref: branchRef(branchOf(names)), commits }
}
