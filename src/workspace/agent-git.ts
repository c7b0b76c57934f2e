import { chmod, lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './files.ts'
import { branchRef, type Sha } from '../git/branch.ts'
import { git } from '../git/git.ts'
import { objectsOf } from './paths.ts'
import { removeTree } from '../process/remove-tree.ts'
import type { Identity } from '../process/start.ts'

/** The work tree of a slot and whom its agent runs as. */
interface AgentTree {
  readonly workTree: string
  readonly repository: string
  readonly branch: string
  readonly identity: Identity
  /** Where a template of this repository may lie. */
  readonly template: string
}

/** Whatever the agent may have put in its place, it does not hold up the thread. */
const TIMEOUT_MS = 5000
/** Configuration that has precedence over the agent's own: none of its hooks and programs run, and nothing is fetched. */
const INERT = {
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_LAZY_FETCH: '1',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'core.hooksPath',
  GIT_CONFIG_VALUE_0: '/dev/null',
  GIT_CONFIG_KEY_1: 'core.fsmonitor',
  GIT_CONFIG_VALUE_1: 'false',
}

/**
 * Gives the agent a git directory of its own in its work tree, at the commit the thread is at. It borrows the objects of the
 * one repository and reaches nothing else of it: what the agent commits, resets or configures there stays there.
 * Everything in it is done as the agent's user, because by now it may be anything.
 */
export async function renewAgentGit(tree: AgentTree, tip: Sha): Promise<void> {
  const gitDir = join(tree.workTree, '.git')
  const as = tree.identity
  const options = { gitDir, workTree: tree.workTree, as, umask: 0o007, timeoutMs: TIMEOUT_MS, env: INERT }
  const follow = async (): Promise<void> => {
    await git(['symbolic-ref', 'HEAD', branchRef(tree.branch)], options)
    await git(['update-ref', '--no-deref', branchRef(tree.branch), tip], options)
    await git(['read-tree', '--reset', tip], options)
  }
  try {
    // Where agents are not users of their own, a link here would lead to the refs of another repository.
    // A lock of its configuration is left where its making was broken off.
    if (!(await lstat(gitDir)).isDirectory() || (await exists(join(gitDir, 'config.lock')))) throw new Error('the git directory of the agent is not whole')
    await follow()
  } catch {
    // not there yet, or the agent has made something else of it
    await removeTree(gitDir)
    await template(tree)
    await git(['init', '--quiet', `--template=${tree.template}`, `--initial-branch=${tree.branch}`, tree.workTree], options)
    await follow()
  }
}

async function template({ template: folder, repository }: AgentTree): Promise<void> {
  const info = join(folder, 'objects', 'info')
  await mkdir(info, { recursive: true, mode: 0o755 })
  await writeFile(join(info, 'alternates'), `${objectsOf({ repository })}\n`)
  await mkdir(join(folder, 'info'), { recursive: true, mode: 0o755 })
  await writeFile(join(folder, 'info', 'exclude'), 'node_modules\n')
  for (const path of [folder, info, join(folder, 'objects'), join(folder, 'info')]) await chmod(path, 0o755)
}
