import type { Sha } from './branch.ts'
import { git } from './git.ts'

/** Merges two commits as objects only. Where they conflict, the tree holds the files with conflict markers, and `conflicts` names them. */
export async function mergeTrees(gitDir: string, ours: Sha, theirs: Sha): Promise<{ readonly tree: Sha; readonly conflicts: readonly string[] }> {
  const { code, stdout } = await git(['merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', ours, theirs], { gitDir, expect: [1] })
  const [tree = '', ...files] = stdout.toString('utf8').split('\0')
  return { tree, conflicts: code === 0 ? [] : [...new Set(files.filter((file) => file !== ''))] }
}
