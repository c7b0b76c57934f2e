import { rm } from 'node:fs/promises'
import type { Sha } from './branch.ts'
import { git, GitError, records } from './git.ts'

const FOLDER = '040000'
/** Bytes of one name that file systems take. */
const MAX_PART = 255
/** Bytes of a path: with the folder of the work tree it stays below the 4,096 that Linux takes. */
const MAX_PATH = 2000
const MAX_DEPTH = 64

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
  const parts = path.split('/')
  if (parts.length > MAX_DEPTH || Buffer.byteLength(path) > MAX_PATH || parts.some((part) => Buffer.byteLength(part) > MAX_PART))
    throw new NoSuchPlace(path, 'is longer than file systems take')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw new NoSuchPlace(path, 'is no path below the root of the repository')
  const above = parts.slice(0, -1).map((_, at) => parts.slice(0, at + 1).join('/'))
  const { stdout } = await git(['--literal-pathspecs', 'ls-tree', '-z', tree, '--', ...above, path], { gitDir })
  const there = records(stdout).map((entry) => /^(\d{6}) (\w+) \S+\t(.*)$/s.exec(entry.toString('utf8')))
  const found = (name: string): string | undefined => there.find((entry) => entry?.[3] === name)?.[1]
  for (const folder of above) if ((found(folder) ?? FOLDER) !== FOLDER) throw new NoSuchPlace(path, `is below ${folder}, which is no folder`)
  const mode = found(path) ?? '100644'
  if (!mode.startsWith('100')) throw new NoSuchPlace(path, mode === FOLDER ? 'is a folder' : 'is a link, which is not written through')
  const at = { gitDir, indexFile }
  try {
    await git(['read-tree', '--end-of-options', tree], at)
    await git(['update-index', '--add', '-z', '--index-info'], { ...at, input: `${mode} ${blob}\t${path}\0` })
    if ((await git(['--literal-pathspecs', 'ls-files', '-s', '-z', '--', path], at)).text === '') throw new NoSuchPlace(path, 'is no name that git takes')
    return (await git(['write-tree'], at)).text
  } catch (error) {
    if (error instanceof GitError && error.verb === 'update-index' && /^error: Invalid path /m.test(error.stderr))
      throw new NoSuchPlace(path, 'is no name that git takes')
    throw error
  } finally {
    await Promise.all([rm(indexFile, { force: true }), rm(`${indexFile}.lock`, { force: true })])
  }
}
