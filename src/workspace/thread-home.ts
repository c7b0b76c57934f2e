import { failpoint } from '../observe/failpoint.ts'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { RunFailure } from '../command/ending.ts'
import { branchRef, defaultBranch, mergeBase, moveRef, originRef, resolve, type Sha } from '../git/branch.ts'
import { checkout, resetIndex } from '../git/checkout.ts'
import type { Checkout } from '../git/stage.ts'
import { removeTree } from '../process/remove-tree.ts'
import { run } from '../process/run.ts'
import type { Slot } from '../process/end-all.ts'
import { SYSTEM_PATH } from '../git/git.ts'
import { renewAgentGit } from './agent-git.ts'
import { exists, give, passage } from './files.ts'
import type { ThreadPaths } from './paths.ts'

/** Where a thread lives: its branch, its work tree, its slot. */
export interface ThreadHome {
  readonly paths: ThreadPaths
  readonly branch: string
  readonly slot: Slot
  readonly checkout: Checkout
  readonly template: string
  /** The commit that the thread began from. */
  readonly base: Sha
  /** The branch was there before this call. */
  readonly resumed: boolean
}

export interface ThreadPlace {
  readonly paths: ThreadPaths
  readonly branch: string
  readonly slot: Slot
  readonly template: string
  readonly knownBase?: string | undefined
  /** The commit whose files were laid out before there was a thread. */
  readonly laidOut?: string | undefined
  /** The branch that a new thread starts from; by default that of HEAD. */
  readonly startFrom?: string | undefined
}

/** Files written for an agent of its own user belong to the group of the slot. */
const GROUP_ONLY = 0o007

/**
 * Makes sure that branch, index and work tree of a thread are there. Files that are there are never overwritten:
 * what differs from the branch counts as changed and is saved with the next run.
 *
 * @throws BranchGone where a thread that began here has lost its branch
 */
export async function openThreadHome(place: ThreadPlace): Promise<ThreadHome> {
  const { paths } = place
  const at: Checkout = { gitDir: paths.repository, workTree: paths.workTree, indexFile: paths.index }
  const { tip, resumed, base } = await ensureBranch(place)
  const home = { ...place, checkout: at, base, resumed }
  await passage(dirname(paths.workTree))
  await mkdir(dirname(paths.index), { recursive: true, mode: 0o700 })
  if (!(await exists(paths.workTree))) {
    await makeWorkTree(home, tip)
  } else if (place.knownBase === undefined && place.laidOut !== undefined) {
    // Nobody has worked here: a spare slot, and nothing has run in it since its thread took it.
    if (place.laidOut !== tip) await checkoutTree(home, tip)
  } else if (!(await exists(paths.index))) {
    await resetIndex(at, tip)
  }
  return home
}

/** Lays out files in a slot that belongs to no thread yet. */
export async function layOutSpare({ paths, slot }: Pick<ThreadPlace, 'paths' | 'slot'>, tip: Sha): Promise<void> {
  await passage(dirname(paths.workTree))
  await mkdir(dirname(paths.index), { recursive: true, mode: 0o700 })
  const at: Checkout = { gitDir: paths.repository, workTree: paths.workTree, indexFile: paths.index }
  if ((await exists(paths.workTree)) && (await exists(paths.index))) return checkoutTree({ checkout: at, slot }, tip)
  await removeTree(paths.workTree)
  await makeWorkTree({ checkout: at, slot }, tip)
}

/** The commit that a thread begins from that asks for no other. */
export const newThreadTip = (repository: string): Promise<Sha> => startingPoint(repository, undefined)

/** Beside its place, then moved there: a half-made work tree would look as if its missing files had been deleted. */
async function makeWorkTree({ checkout: at, slot }: Pick<ThreadHome, 'checkout' | 'slot'>, tip: Sha): Promise<void> {
  const making: Checkout = { gitDir: at.gitDir, workTree: `${at.workTree}.making`, indexFile: `${at.indexFile}.making` }
  await rm(making.workTree, { recursive: true, force: true })
  await Promise.all([rm(making.indexFile, { force: true }), rm(at.indexFile, { force: true })])
  await mkdir(making.workTree)
  await checkoutTree({ checkout: making, slot }, tip)
  await failpoint('thread.checked_out')
  await rename(making.workTree, at.workTree)
  await failpoint('thread.tree_moved')
  await rename(making.indexFile, at.indexFile)
}

/** Makes the work tree hold the files of a commit, as its agent's user. */
export async function checkoutTree(home: Pick<ThreadHome, 'checkout' | 'slot'>, commit: Sha): Promise<void> {
  const { uid, gid } = home.slot.identity
  const { workTree } = home.checkout
  await checkout(home.checkout, commit, uid === undefined ? undefined : GROUP_ONLY)
  if (uid === undefined) return
  await give(workTree, home.slot.identity)
  // Installed dependencies are linked files of another user and stay so.
  const mine = ['-name', 'node_modules', '-prune', '-o', '-uid', String(process.getuid?.() ?? 0)]
  await run('find', [workTree, ...mine, '-exec', 'chown', '-h', `${uid}:${gid}`, '{}', '+'], { cwd: workTree, env: { PATH: SYSTEM_PATH } })
  await run('chmod', ['2770', workTree], { cwd: '/', env: { PATH: SYSTEM_PATH } })
}

/** The agent has a git directory of its own in its work tree; made while its process starts. */
export async function ensureAgentGit(home: ThreadHome): Promise<void> {
  if (!(await exists(join(home.paths.workTree, '.git')))) await showCommit(home, await tipOf(home))
}

/** The agent's own git sees what was committed. */
export async function showCommit(home: ThreadHome, tip: Sha): Promise<void> {
  await renewAgentGit({ ...home.paths, branch: home.branch, identity: home.slot.identity, template: home.template }, tip)
  await failpoint('agent_git.renewed')
}

/** The branch of a thread names no commit. */
export class BranchGone extends Error {
  constructor(branch: string, repository: string) {
    super(`${branch} is gone from ${repository}`)
    this.name = 'BranchGone'
  }
}

/** The commit that the thread is at. */
export async function tipOf(home: Pick<ThreadHome, 'branch' | 'paths'>): Promise<Sha> {
  const tip = await resolve(home.paths.repository, branchRef(home.branch))
  if (tip === undefined) throw new BranchGone(home.branch, home.paths.repository)
  return tip
}

async function ensureBranch({ paths: { repository }, branch, startFrom, knownBase }: ThreadPlace): Promise<{ tip: Sha; resumed: boolean; base: Sha }> {
  const known = await resolve(repository, branchRef(branch))
  if (known !== undefined) return { tip: known, resumed: true, base: knownBase ?? known }
  // Without the commit that it began from, this is another repository, made in the place of one that was damaged.
  if (knownBase !== undefined && (await resolve(repository, knownBase)) !== undefined) throw new BranchGone(branch, repository)
  const atOrigin = await resolve(repository, originRef(branch))
  const tip = atOrigin ?? (await startingPoint(repository, startFrom))
  // What origin has of the thread is its work already; it began where that left the branch that it started from.
  const base = atOrigin === undefined ? tip : ((await mergeBase(repository, atOrigin, await startingPoint(repository, startFrom).catch(() => atOrigin))) ?? tip)
  await moveRef(repository, branchRef(branch), tip, undefined)
  await failpoint('thread.branched')
  return { tip, resumed: atOrigin !== undefined, base }
}

async function startingPoint(repository: string, startFrom: string | undefined): Promise<Sha> {
  const branch = startFrom ?? (await defaultBranch(repository))
  const tip = (await resolve(repository, originRef(branch))) ?? (await resolve(repository, branchRef(branch)))
  if (tip === undefined) throw new RunFailure('rejected', `context.branch: the repository has no branch ${JSON.stringify(branch)}`)
  return tip
}
