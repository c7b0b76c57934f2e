import { failpoint } from '../observe/failpoint.ts'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { commitTree, type Author } from './commit.ts'
import { branchRef, defaultBranch, moveRef, originRef, resolve } from './branch.ts'
import { git } from './git.ts'
import { fetchOrigin, headOfOrigin, type Remote } from './remote.ts'
import { stage } from './stage.ts'

/** Written by the service alone and read by nobody else's git, so nothing that a repository brings is configuration. */
const CONFIG = `[core]
	repositoryformatversion = 0
	bare = true
	filemode = true
	hooksPath = /dev/null
	fsmonitor = false
	protectHFS = true
	protectNTFS = true
	fsync = committed,loose-object,reference,index
	sharedRepository = 0644
[gc]
	auto = 0
[maintenance]
	auto = false
[submodule]
	recurse = false
[transfer]
	fsckObjects = true
[commit]
	gpgSign = false
`

/** Dependencies are installed into the work trees by the service; they are never content. */
const EXCLUDE = 'node_modules\n'

/** What is stored is what was written, whatever attributes a repository brings; this file has precedence over them. */
const ATTRIBUTES = '* -text -ident -filter -working-tree-encoding\n'

/** What a repository begins with. */
export type Beginning = { readonly kind: 'empty' } | { readonly kind: 'files'; readonly folder: string } | { readonly kind: 'origin'; readonly remote: Remote }

export interface CreateOptions {
  readonly author: Author
  readonly onProgress: (text: string) => void
  readonly stop?: AbortSignal | undefined
}

/**
 * Makes the one repository of a workspace: in a temporary folder, moved to its place in one rename.
 *
 * @throws GitError where origin cannot be read
 */
export async function createRepository(at: string, beginning: Beginning, options: CreateOptions): Promise<void> {
  await makeBeside(at, beginning.kind === 'origin' ? beginning.remote.url : undefined, (making) => fill(making, beginning, options))
}

/** Makes a repository with the same origin as another, which it takes the place of while that one goes `aside`; `fill` puts into it what there is. */
export async function remakeRepository(like: string, aside: string, fill: (gitDir: string) => Promise<void>): Promise<void> {
  const { code, text } = await git(['config', '--file', join(like, 'config'), '--get', 'remote.origin.url'], { gitDir: like, expect: [1, 128] })
  await makeBeside(like, code === 0 ? text : undefined, fill, async (making) => {
    await rename(like, aside)
    await rename(making, like)
  })
}

async function makeBeside(
  at: string,
  origin: string | undefined,
  fill: (gitDir: string) => Promise<void>,
  place: (making: string) => Promise<void> = (making) => rename(making, at),
): Promise<void> {
  const making = await mkdtemp(join(dirname(at), `.${basename(at)}.making-`))
  try {
    await git(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', making], { gitDir: making })
    await writeFile(join(making, 'config'), CONFIG + (origin === undefined ? '' : `[remote "origin"]\n\turl = ${JSON.stringify(origin)}\n`))
    await git(['init', '--quiet', '--bare', '--template=', making], { gitDir: making }) // applies sharedRepository to what is there
    await writeExclude(making)
    // git knows the empty tree without having it, and misses it when it looks whether everything is there.
    await git(['hash-object', '-w', '-t', 'tree', '--stdin'], { gitDir: making, input: '' })
    await fill(making)
    await failpoint('clone.filled')
    await place(making)
    await failpoint('clone.moved')
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw error
  }
}

/** The URL of the repository that this one was cloned from. */
export async function originOf(gitDir: string): Promise<string | undefined> {
  const { code, text } = await git(['config', '--get', 'remote.origin.url'], { gitDir, expect: [1] })
  return code === 0 ? text : undefined
}

async function writeExclude(gitDir: string): Promise<void> {
  await mkdir(join(gitDir, 'info'), { recursive: true })
  await writeFile(join(gitDir, 'info', 'exclude'), EXCLUDE)
  await writeFile(join(gitDir, 'info', 'attributes'), ATTRIBUTES)
}

async function fill(gitDir: string, beginning: Beginning, { author, onProgress, stop }: CreateOptions): Promise<void> {
  if (beginning.kind === 'origin') {
    await fetchOrigin(gitDir, beginning.remote, { onProgress, stop })
    const branch = await headOfOrigin(gitDir, beginning.remote, stop)
    const tip = branch === undefined ? undefined : await resolve(gitDir, originRef(branch))
    if (branch !== undefined && tip !== undefined) {
      await git(['symbolic-ref', 'HEAD', branchRef(branch)], { gitDir })
      await moveRef(gitDir, branchRef(branch), tip, undefined)
      return
    }
  }
  await firstCommit(gitDir, beginning, author)
}

async function firstCommit(gitDir: string, beginning: Beginning, author: Author): Promise<void> {
  const indexFile = join(gitDir, 'first.index')
  await git(['read-tree', '--empty'], { gitDir, indexFile })
  const tree =
    beginning.kind === 'files'
      ? (await stage({ gitDir, workTree: beginning.folder, indexFile }, () => false)).tree
      : (await git(['write-tree'], { gitDir, indexFile })).text
  const subject = beginning.kind === 'files' ? 'Begin with the example site' : 'Begin with an empty repository'
  const commit = await commitTree(gitDir, tree, [], { subject, body: '', trailers: {} }, author)
  await moveRef(gitDir, branchRef(await defaultBranch(gitDir)), commit, undefined)
  await Promise.all([rm(indexFile, { force: true }), rm(`${indexFile}.next`, { force: true })])
}
