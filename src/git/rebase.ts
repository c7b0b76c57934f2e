import { commitsSince, treeOf, type Sha } from './branch.ts'
import { git } from './git.ts'

/** The commits were replayed, or the first that could not be and the files it conflicts in. */
export type Rebased =
  | { readonly kind: 'rebased'; readonly tip: Sha; readonly made: readonly { readonly from: Sha; readonly to: Sha; readonly parent: Sha }[] }
  | { readonly kind: 'conflict'; readonly commit: Sha; readonly files: readonly string[] }

/**
 * Replays the commits of `tip` that `onto` does not have on top of `onto`, as objects only: no ref moves, no work tree is touched,
 * messages, authors and dates stay.
 */
export async function rebase(gitDir: string, tip: Sha, onto: Sha): Promise<Rebased> {
  const { text: base } = await git(['merge-base', tip, onto], { gitDir })
  const made: { from: Sha; to: Sha; parent: Sha }[] = []
  let at = onto
  for (const commit of await commitsSince(gitDir, base, tip)) {
    const merged = await replay(gitDir, commit, at)
    if ('files' in merged) return { kind: 'conflict', commit, files: merged.files }
    if (merged.tree === (await treeOf(gitDir, at))) continue // origin has this change already
    const to = await withTree(gitDir, commit, merged.tree, at)
    made.push({ from: commit, to, parent: at })
    at = to
  }
  return { kind: 'rebased', tip: at, made }
}

/** `git merge-tree` of git 2.38 finds its base itself, so each side gets one in which that base is what the commit was made from. */
async function replay(gitDir: string, commit: Sha, onto: Sha): Promise<{ readonly tree: Sha } | { readonly files: readonly string[] }> {
  const plain = async (tree: Sha, parents: readonly Sha[]): Promise<Sha> =>
    (await git(['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', 'side'], { gitDir, env: IDENTITY })).text
  const base = await plain(await treeOf(gitDir, `${commit}^`), [])
  const [ours, theirs] = [await plain(await treeOf(gitDir, onto), [base]), await plain(await treeOf(gitDir, commit), [base])]
  const { code, text } = await git(['merge-tree', '--write-tree', '--name-only', '--no-messages', ours, theirs], { gitDir, expect: [1] })
  const [tree = '', ...files] = text.split('\n')
  return code === 0 ? { tree } : { files: files.filter((file) => file !== '') }
}

const IDENTITY = { GIT_AUTHOR_NAME: 'rebase', GIT_AUTHOR_EMAIL: 'rebase', GIT_COMMITTER_NAME: 'rebase', GIT_COMMITTER_EMAIL: 'rebase' }

/** The same commit with another tree and parent. */
async function withTree(gitDir: string, commit: Sha, tree: Sha, parent: Sha): Promise<Sha> {
  const { stdout } = await git(['cat-file', 'commit', commit], { gitDir })
  const text = stdout.toString('latin1')
  const end = text.indexOf('\n\n')
  const kept = text
    .slice(0, end)
    .split('\n')
    .filter((line) => /^(author|committer|encoding) /.test(line))
  const object = Buffer.from([`tree ${tree}`, `parent ${parent}`, ...kept].join('\n') + text.slice(end), 'latin1')
  return (await git(['hash-object', '-t', 'commit', '-w', '--stdin'], { gitDir, input: object })).text
}
