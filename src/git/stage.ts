import { copyFile, lstat, mkdtemp, readlink, rm, stat, utimes } from 'node:fs/promises'
import type { Skipped } from '../command/result.ts'
import { printable } from '../observe/text.ts'
import { readPlainFile } from '../process/plain-file.ts'
import { run } from '../process/run.ts'
import type { Sha } from './branch.ts'
import { listChanges } from './changes.ts'
import { git, GitError, joined, records, SYSTEM_PATH } from './git.ts'

/** A work tree, the repository its commits go to, and the index between the two, which lies outside the tree. */
export interface Checkout {
  readonly gitDir: string
  readonly workTree: string
  readonly indexFile: string
}

export interface Staged {
  readonly tree: Sha
  /** The index that holds this tree; it takes the place of the checkout's once the branch has moved. */
  readonly indexFile: string
  readonly skipped: readonly Skipped[]
}

/** GitHub refuses files over 100 MB, and with one of them every later push. */
const MAX_FILE_BYTES = 50_000_000

/**
 * Puts the files of a work tree into a copy of its index and writes the tree.
 *
 * Files are listed by us, not by `git add`: a nested repository without commits makes `git add -A` fail as a whole,
 * one with commits would be recorded as a link without its files. Names stay bytes. What cannot be saved is
 * reported in `skipped` and keeps its former version.
 *
 * @param holdsSecret says whether a file's name or content holds a live secret of the service; such a file is not saved
 */
export async function stage(checkout: Checkout, holdsSecret: (content: Buffer) => boolean): Promise<Staged> {
  const indexFile = `${checkout.indexFile}.next`
  await rm(`${indexFile}.lock`, { force: true }) // of a git that was killed: nobody but us writes this index, one call at a time
  await copyFile(checkout.indexFile, indexFile)
  // git trusts what an index says of a file only where the file is older than the index; a copy is as old as what it was made from.
  const { atime, mtime } = await stat(checkout.indexFile)
  await utimes(indexFile, atime, mtime)
  const at = { ...checkout, indexFile }
  const skipped: Skipped[] = await withoutObstacles(at.workTree)

  const { gone, present, unread, unsifted } = await listChanges(at)
  if (unread) skipped.push({ path: '.', reason: 'holds a folder that cannot be read; what is in there is not saved' })
  if (unsifted) skipped.push({ path: '.gitignore', reason: 'holds patterns that take too long, so nothing counts as ignored' })
  const wanted: Buffer[] = []
  for (const name of present) {
    const reason = holdsSecret(name)
      ? 'has a secret of the service in its name'
      : ((await refusedByGit(at, name)) ?? (await obstacle(Buffer.concat([Buffer.from(`${at.workTree}/`), name]), holdsSecret)))
    if (reason === undefined) wanted.push(name)
    else skipped.push({ path: shown(name), reason })
  }
  if (gone.length > 0) await git(['update-index', '--force-remove', '-z', '--stdin'], { ...at, input: joined(gone) })
  if (await add(at, wanted, skipped)) await reportIgnored(at, wanted, skipped)
  return { tree: (await git(['write-tree'], at)).text, indexFile, skipped }
}

const shown = (name: Buffer): string => printable(name.toString('utf8'), 4096)

/**
 * Pipes, sockets and devices cannot be saved. One that is called like a file that git reads would block it for ever, and one of
 * those without end take all its memory: they go.
 */
async function withoutObstacles(workTree: string): Promise<Skipped[]> {
  const find = async (...wanted: string[]): Promise<Buffer[]> => {
    const prune = ['(', '-name', '.git', '-o', '-name', 'node_modules', ')', '-prune', '-o']
    const { stdout } = await run('find', ['.', ...prune, '(', ...wanted, ')', '-print0'], { cwd: workTree, env: { PATH: SYSTEM_PATH } })
    return records(stdout).map((name) => name.subarray(2))
  }
  const type = (letter: string): string[] => ['-type', letter]
  const [special, endless] = await Promise.all([
    find(...type('p'), '-o', ...type('s'), '-o', ...type('b'), '-o', ...type('c')),
    find(...type('f'), '-name', '.git*', '-size', `+${MAX_FILE_BYTES}c`),
  ])
  for (const name of [...special.filter((each) => /(^|\/)\.git[a-z]+$/.test(each.toString('latin1'))), ...endless])
    await rm(Buffer.concat([Buffer.from(`${workTree}/`), name]), { force: true })
  return [
    ...special.map((name) => ({ path: shown(name), reason: 'is neither a file, a folder nor a link' })),
    ...endless.map((name) => ({ path: shown(name), reason: `is larger than ${MAX_FILE_BYTES / 1_000_000} MB, and was removed because git would read it` })),
  ]
}

/** Content of files that git itself reads, which other repositories would refuse to receive: submodules with hostile URLs, endless attributes. */
async function refusedByGit(at: Checkout, name: Buffer): Promise<string | undefined> {
  const base = readByGit(name.toString('latin1'))
  const input = base === undefined ? undefined : await readPlainFile(Buffer.concat([Buffer.from(`${at.workTree}/`), name]), MAX_FILE_BYTES)
  return base === undefined || input === undefined ? undefined : refusalOf(at, base, input)
}

/** The name of a file that git itself reads, in whichever folder. */
export const readByGit = (path: string): string | undefined => /(?:^|\/)(\.git(?:modules|attributes))$/i.exec(path)?.[1]

/** Why git refuses a file that it reads, by the name of that and its content. */
export async function refusalOf(at: Pick<Checkout, 'gitDir' | 'indexFile'>, base: string, input: Buffer): Promise<string | undefined> {
  const objects = await mkdtemp(`${at.indexFile}.making-`)
  try {
    const alone = { gitDir: at.gitDir, env: { GIT_OBJECT_DIRECTORY: objects } }
    const { text } = await git(['hash-object', '-w', '--stdin'], { ...alone, input })
    await git(['mktree'], { ...alone, input: `100644 blob ${text}\t${base}\n` })
    const { code } = await git(['fsck', '--no-full', '--no-dangling', '--no-reflogs', '--no-progress'], { ...alone, expect: [1, 2, 3, 4, 5, 6, 7, 8] })
    return (code & BAD_OBJECT) === BAD_OBJECT ? 'is refused by git: other repositories would not receive it' : undefined
  } finally {
    await rm(objects, { recursive: true, force: true })
  }
}

/** Of the exit code of `git fsck`: an object is not as it should be. That others are missing is no news in an empty folder. */
const BAD_OBJECT = 1

async function obstacle(path: Buffer, holdsSecret: (content: Buffer) => boolean): Promise<string | undefined> {
  const about = await lstat(path).catch(() => undefined)
  if (about === undefined) return 'went away while it was being saved'
  if (about.isSymbolicLink()) return holdsSecret(await readlink(path, 'buffer')) ? 'holds a secret of the service' : undefined // stored as a link, never followed
  if (about.isDirectory()) return 'is a folder with a repository of its own where a file was'
  if (!about.isFile()) return 'is neither a file, a folder nor a link'
  if (about.size > MAX_FILE_BYTES) return `is larger than ${MAX_FILE_BYTES / 1_000_000} MB`
  const content = await readPlainFile(path, MAX_FILE_BYTES)
  if (content === undefined) return 'cannot be read'
  return holdsSecret(content) ? 'holds a secret of the service' : undefined
}

/** Some names (`.GIT`, `git~1`) git leaves out with a word on standard error and exit code 0. */
async function reportIgnored(at: Checkout, wanted: readonly Buffer[], skipped: Skipped[]): Promise<void> {
  const { stdout } = await git(['ls-files', '-z', '--cached'], at)
  const known = new Set(records(stdout).map((name) => name.toString('latin1')))
  const told = new Set(skipped.map((each) => each.path))
  for (const name of wanted)
    if (!known.has(name.toString('latin1')) && !told.has(shown(name))) skipped.push({ path: shown(name), reason: 'has a name that git does not take' })
}

/**
 * git refuses a whole list for one file that it cannot take, so a refused list is halved until that one is found.
 * Answers whether git left something out on its own.
 * Where git cannot even store that file's content, it is not the file: the disk is full or broken, and that is the caller's to know.
 */
async function add(at: Checkout, names: readonly Buffer[], skipped: Skipped[]): Promise<boolean> {
  const [name, ...more] = names
  if (name === undefined) return false
  try {
    const { warned } = await git(['update-index', '--add', '--replace', '-z', '--stdin'], { ...at, input: joined(names) })
    return warned
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    if (more.length === 0) {
      const content = (await readPlainFile(Buffer.concat([Buffer.from(`${at.workTree}/`), name]), MAX_FILE_BYTES)) ?? Buffer.alloc(0)
      await git(['hash-object', '-w', '--stdin'], { ...at, input: content })
      skipped.push({ path: shown(name), reason: printable(error.stderr.trim(), 500) })
      return false
    }
    const half = Math.ceil(names.length / 2)
    const first = await add(at, names.slice(0, half), skipped)
    return (await add(at, names.slice(half), skipped)) || first
  }
}
