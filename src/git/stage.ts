import { copyFile, lstat, readdir, rm } from 'node:fs/promises'
import type { Skipped } from '../command/result.ts'
import { printable } from '../observe/text.ts'
import { readPlainFile } from '../process/plain-file.ts'
import { run } from '../process/run.ts'
import type { Sha } from './branch.ts'
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
 * @param holdsSecret says whether a file's content holds a live secret of the service; such a file is not saved
 */
export async function stage(checkout: Checkout, holdsSecret: (content: Buffer) => boolean): Promise<Staged> {
  const indexFile = `${checkout.indexFile}.next`
  await copyFile(checkout.indexFile, indexFile)
  const at = { ...checkout, indexFile }
  const skipped: Skipped[] = await withoutSpecialFiles(at.workTree)

  const [changed, others, links] = await Promise.all([
    git(['diff-files', '-z', '--name-status', '--ignore-submodules'], at),
    git(['ls-files', '-z', '--others', '--exclude-standard'], at),
    linkedRepositories(at),
  ])
  if (others.warned) skipped.push({ path: '.', reason: 'holds a folder that cannot be read; what is in there is not saved' })
  const { gone, present } = split(records(changed.stdout))
  const found = await Promise.all(records(others.stdout).map((name) => (name.at(-1) === SLASH ? filesBelow(at, name) : Promise.resolve([name]))))

  const inLinks = await Promise.all(links.map((name) => filesBelow(at, Buffer.concat([name, Buffer.of(SLASH)]))))
  gone.push(...links.filter((_, index) => (inLinks[index]?.length ?? 0) > 0))
  const wanted: Buffer[] = []
  for (const name of [...present, ...found.flat(), ...inLinks.flat()]) {
    const reason = await obstacle(Buffer.concat([Buffer.from(`${at.workTree}/`), name]), holdsSecret)
    if (reason === undefined) wanted.push(name)
    else skipped.push({ path: shown(name), reason })
  }
  if (gone.length > 0) await git(['update-index', '--force-remove', '-z', '--stdin'], { ...at, input: joined(gone) })
  if (await add(at, wanted, skipped)) await reportIgnored(at, wanted, skipped)
  return { tree: (await git(['write-tree'], at)).text, indexFile, skipped }
}

const SLASH = '/'.charCodeAt(0)
const shown = (name: Buffer): string => printable(name.toString('utf8'), 4096)

/** `diff-files --name-status -z` is status and name in turn; what is gone must not be looked at, its folder may be a link by now. */
function split(entries: readonly Buffer[]): { gone: Buffer[]; present: Buffer[] } {
  const [gone, present]: [Buffer[], Buffer[]] = [[], []]
  for (let at = 0; at + 1 < entries.length; at += 2) {
    const [status, name] = [entries[at]?.toString('latin1'), entries[at + 1]]
    if (name !== undefined) (status === 'D' ? gone : present).push(name)
  }
  return { gone, present }
}

/** Entries that stand for another repository (mode 160000): where files lie in such a folder, they are saved as files. */
async function linkedRepositories(at: Checkout): Promise<Buffer[]> {
  const { stdout } = await git(['ls-files', '-z', '--stage'], at)
  return records(stdout)
    .filter((entry) => entry.subarray(0, 6).toString('latin1') === '160000')
    .map((entry) => entry.subarray(entry.indexOf(9) + 1))
}

/** Pipes, sockets and devices cannot be saved. One that is called like a file that git reads would block it for ever, and goes. */
async function withoutSpecialFiles(workTree: string): Promise<Skipped[]> {
  const special = ['p', 's', 'b', 'c'].flatMap((type, index) => [...(index === 0 ? [] : ['-o']), '-type', type])
  const prune = ['(', '-name', '.git', '-o', '-name', 'node_modules', ')', '-prune', '-o']
  const { stdout } = await run('find', ['.', ...prune, '(', ...special, ')', '-print0'], { cwd: workTree, env: { PATH: SYSTEM_PATH } })
  const found = records(stdout).map((name) => name.subarray(2))
  for (const name of found)
    if (/(^|\/)\.git[a-z]+$/.test(name.toString('latin1'))) await rm(Buffer.concat([Buffer.from(`${workTree}/`), name]), { force: true })
  return found.map((name) => ({ path: shown(name), reason: 'is neither a file, a folder nor a link' }))
}

/** The files of a nested repository, without its git directory and without what is ignored. */
async function filesBelow(at: Checkout, folder: Buffer): Promise<readonly Buffer[]> {
  const found: Buffer[] = []
  const walk = async (below: Buffer): Promise<void> => {
    const entries = await readdir(Buffer.concat([Buffer.from(`${at.workTree}/`), below]), { withFileTypes: true, encoding: 'buffer' }).catch(() => [])
    for (const entry of entries) {
      if (entry.name.toString('latin1').toLowerCase() === '.git') continue
      const name = Buffer.concat([below, entry.name])
      if (entry.isDirectory()) await walk(Buffer.concat([name, Buffer.of(SLASH)]))
      else if (entry.isFile() || entry.isSymbolicLink()) found.push(name)
    }
  }
  await walk(folder)
  if (found.length === 0) return []
  const ignored = await git(['check-ignore', '-z', '--stdin', '--no-index'], { ...at, input: joined(found), expect: [1] })
  const out = new Set(records(ignored.stdout).map((name) => name.toString('latin1')))
  return found.filter((name) => !out.has(name.toString('latin1')))
}

async function obstacle(path: Buffer, holdsSecret: (content: Buffer) => boolean): Promise<string | undefined> {
  const about = await lstat(path).catch(() => undefined)
  if (about === undefined) return 'went away while it was being saved'
  if (about.isSymbolicLink()) return undefined // stored as a link, never followed
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
