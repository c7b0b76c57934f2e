import { fenceHolds, verifyFence, type Fence } from './fence.ts'
import { git } from './git.ts'

/** A full object name, 40 or 64 hex digits. */
export type Sha = string

/** The ref of a branch. */
export const branchRef = (branch: string): string => `refs/heads/${branch}`
/** The ref under which a branch of origin is known here. */
export const originRef = (branch: string): string => `refs/remotes/origin/${branch}`

/** The commit that a full ref name points to, or `undefined` where there is no such ref. */
export async function resolve(gitDir: string, ref: string): Promise<Sha | undefined> {
  const { code, text } = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`], { gitDir, expect: [1, 128] })
  return code === 0 ? text : undefined
}

/** The branch that HEAD names. */
export async function defaultBranch(gitDir: string): Promise<string> {
  const { text } = await git(['symbolic-ref', 'HEAD'], { gitDir })
  return text.replace(/^refs\/heads\//, '')
}

/** A ref has another value than the caller had last seen. */
export class RefMoved extends Error {
  constructor(ref: string, options: ErrorOptions) {
    super(`${ref} has been moved by somebody else`, options)
    this.name = 'RefMoved'
  }
}

/** Another service has made itself the one that may move branches here. */
export class FenceMoved extends Error {
  constructor(gitDir: string, options: ErrorOptions) {
    super(`another service moves the branches of ${gitDir}`, options)
    this.name = 'FenceMoved'
  }
}

/**
 * Moves a ref from `before` to `to`, while `fence` holds; `undefined` means that it must not exist yet.
 *
 * @throws RefMoved where its value is not `before`, FenceMoved
 */
export async function moveRef(gitDir: string, ref: string, to: Sha, before: Sha | undefined, fence?: Fence): Promise<void> {
  const input = `start
${verifyFence(fence)}option no-deref
update ${ref} ${to} ${before ?? '0'.repeat(to.length)}
prepare
commit
`
  try {
    await git(['update-ref', '--stdin'], { gitDir, input })
  } catch (error) {
    if (fence !== undefined && !(await fenceHolds(gitDir, fence))) throw new FenceMoved(gitDir, { cause: error })
    if ((await resolve(gitDir, ref)) !== before) throw new RefMoved(ref, { cause: error })
    throw error
  }
}

/** True where `ancestor` is `commit` or one of those it was made from. */
export async function isAncestor(gitDir: string, ancestor: Sha, commit: Sha): Promise<boolean> {
  const { code } = await git(['merge-base', '--is-ancestor', ancestor, commit], { gitDir, expect: [1] })
  return code === 0
}

/** A commit and its tree, of one look at a ref. */
export async function commitAndTree(gitDir: string, ref: string): Promise<{ readonly commit: Sha; readonly tree: Sha }> {
  const [commit = '', tree = ''] = (await git(['rev-parse', '--end-of-options', `${ref}^{commit}`, `${ref}^{tree}`], { gitDir })).text.split('\n').slice(-2)
  return { commit, tree }
}

export async function treeOf(gitDir: string, commit: Sha): Promise<Sha> {
  return (await git(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`], { gitDir })).text
}

/** Commits of `tip` that are not in `base`, oldest first. */
export async function commitsSince(gitDir: string, base: Sha, tip: Sha): Promise<readonly Sha[]> {
  const { text } = await git(['rev-list', '--reverse', '--first-parent', `${base}..${tip}`, '--'], { gitDir })
  return text === '' ? [] : text.split('\n')
}

/** The last commit that both have; `undefined` where they have nothing in common. */
export async function mergeBase(gitDir: string, one: Sha, other: Sha): Promise<Sha | undefined> {
  const { code, text } = await git(['merge-base', '--end-of-options', one, other], { gitDir, expect: [1] })
  return code === 0 ? text.trim() : undefined
}

/** First lines of the messages of commits after `base` up to `tip`, without merges, oldest first; the last `limit` of them. */
export async function subjectsSince(gitDir: string, base: Sha, tip: Sha, limit: number): Promise<readonly string[]> {
  const { text } = await git(['log', '--no-merges', `--max-count=${limit}`, '--format=%s', '--end-of-options', tip, `^${base}`], { gitDir })
  return text
    .split('\n')
    .filter((line) => line !== '')
    .toReversed()
}
