import { rm } from 'node:fs/promises'
import type { Sha } from './branch.ts'
import { git, GitError } from './git.ts'

/** Stores content as a blob. */
export async function writeBlob(gitDir: string, content: Buffer): Promise<Sha> {
  return (await git(['hash-object', '-w', '--stdin'], { gitDir, input: content })).text
}

/** A tree cannot hold a file of that name; the message says why. */
export class NoSuchPlace extends Error {
  constructor(path: string, why: string) {
    super(`${path} ${why}`)
    this.name = 'NoSuchPlace'
  }
}

/**
 * A tree with one file of it replaced, or added; nothing in a work tree is touched.
 *
 * @param indexFile a name for an index that is used for this alone
 * @throws NoSuchPlace where git does not take the name, or there is a link or a folder
 */
export async function withFile(gitDir: string, tree: Sha, { path, blob }: { readonly path: string; readonly blob: Sha }, indexFile: string): Promise<Sha> {
  const { text } = await git(['--literal-pathspecs', 'ls-tree', tree, '--', path], { gitDir })
  const [, mode = '100644', type = 'blob'] = /^(\d{6}) (\w+) /.exec(text) ?? []
  if (type !== 'blob' || !mode.startsWith('100')) throw new NoSuchPlace(path, type === 'tree' ? 'is a folder' : 'is a link, which is not written through')
  const at = { gitDir, indexFile }
  try {
    await git(['read-tree', '--end-of-options', tree], at)
    await git(['update-index', '--add', '-z', '--index-info'], { ...at, input: `${mode} ${blob}\t${path}\0` })
    if ((await git(['--literal-pathspecs', 'ls-files', '-s', '-z', '--', path], at)).text === '') throw new NoSuchPlace(path, 'is no name that git takes')
    return (await git(['write-tree'], at)).text
  } catch (error) {
    if (error instanceof GitError && error.verb !== 'read-tree') throw new NoSuchPlace(path, 'is no name that git takes here')
    throw error
  } finally {
    await Promise.all([rm(indexFile, { force: true }), rm(`${indexFile}.lock`, { force: true })])
  }
}
