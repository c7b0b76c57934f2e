import { readdir } from 'node:fs/promises'
import { ProgramTimeout } from '../process/run.ts'
import { git, joined, records } from './git.ts'
import type { Checkout } from './stage.ts'

/** A work tree that is listed, and how long and how far. */
export interface Listing extends Checkout {
  readonly timeoutMs?: number
  readonly stop?: AbortSignal
  readonly maxNames?: number
}

export interface Changes {
  /** In the index and not in the work tree. */
  readonly gone: readonly Buffer[]
  /** Files and links that differ from the index or are not in it; those of nested repositories too, ignored ones not. */
  readonly present: readonly Buffer[]
  /** What the index has for those of `present` that it knows, by name (latin1): mode and object, `100644 {sha}`. */
  readonly indexed: ReadonlyMap<string, string>
  /** A folder could not be read. */
  readonly unread: boolean
  /** What is ignored could not be found out in time, so nothing counts as ignored. */
  readonly unsifted: boolean
}

/**
 * How a work tree differs from its index, by name.
 *
 * What is in it is listed by us and not by git, which would look into nested repositories and could be held up there for ever. git
 * is asked which of the names that it does not know are ignored.
 */
export async function listChanges(at: Listing): Promise<Changes> {
  const tracked = trackedIn((await git(['ls-files', '-z', '--stage'], at)).stdout)
  const [changed, walked] = await Promise.all([changedIn(at, tracked.links), untrackedIn(at, tracked)])
  const inLinks = walked.found.filter((name) => tracked.links.some((link) => name.toString('latin1').startsWith(`${link}/`)))
  // An entry that stands for another repository gives way to the files that lie there.
  const replaced = tracked.links.filter((link) => inLinks.some((name) => name.toString('latin1').startsWith(`${link}/`)))
  return {
    gone: [...changed.gone, ...replaced.map((link) => Buffer.from(link, 'latin1'))],
    present: [...changed.present, ...walked.found],
    indexed: changed.indexed,
    unread: walked.unread,
    unsifted: walked.unsifted,
  }
}

interface Tracked {
  readonly files: ReadonlySet<string>
  /** Every folder above a tracked file. */
  readonly folders: ReadonlySet<string>
  /** Entries that stand for another repository (mode 160000). */
  readonly links: readonly string[]
}

/** Names as latin1, which holds every byte. */
function trackedIn(listing: Buffer): Tracked {
  const [files, folders, links] = [new Set<string>(), new Set<string>(), [] as string[]]
  for (const entry of records(listing)) {
    const name = entry.subarray(entry.indexOf(9) + 1).toString('latin1')
    if (entry.subarray(0, 6).toString('latin1') === '160000') links.push(name)
    else files.add(name)
    for (let at = name.lastIndexOf('/'); at > 0 && !folders.has(name.slice(0, at)); at = name.lastIndexOf('/', at - 1)) folders.add(name.slice(0, at))
  }
  return { files, folders, links }
}

/** `diff-files -z` is `:mode mode sha sha status` and name in turn; what is gone must not be looked at, its folder may be a link by now. */
async function changedIn(at: Listing, links: readonly string[]) {
  const besides = links.map((link) => `:(exclude,literal,top)${Buffer.from(link, 'latin1').toString('utf8')}`)
  const { stdout } = await git(['diff-files', '-z', '--ignore-submodules', '--', ...(besides.length === 0 ? [] : ['.', ...besides])], at)
  const entries = records(stdout)
  const [gone, present, indexed]: [Buffer[], Buffer[], Map<string, string>] = [[], [], new Map()]
  for (let place = 0; place + 1 < entries.length; place += 2) {
    const [mode = '', , sha, , status] = (entries[place]?.toString('latin1') ?? '').slice(1).split(' ')
    const name = entries[place + 1]
    if (name === undefined) continue
    if (status === 'D') gone.push(name)
    else {
      present.push(name)
      indexed.set(name.toString('latin1'), `${mode} ${sha}`)
    }
  }
  return { gone, present, indexed }
}

/** Files that are not tracked and not ignored. Folders without a tracked file are asked about before they are walked, level by level. */
async function untrackedIn(at: Listing, { files, folders, links }: Tracked) {
  const [found, own]: [Buffer[], Set<string>] = [[], new Set([...folders, ...links])]
  let unread = false
  let listed = 0
  let unsifted = false
  const sifted = async (names: readonly Buffer[]): Promise<ReadonlySet<string>> => {
    if (unsifted) return new Set()
    const ignored = await ignoredOf(at, names)
    unsifted = ignored === undefined
    return ignored ?? new Set()
  }
  let level: readonly string[] = ['']
  while (level.length > 0) {
    const [known, strange]: [string[], string[]] = [[], []]
    for (const below of level) {
      const path = Buffer.from(`${at.workTree}/`)
      const entries = await readdir(Buffer.concat([path, Buffer.from(below, 'latin1')]), { withFileTypes: true, encoding: 'buffer' }).catch(() => {
        unread = true
        return []
      })
      at.stop?.throwIfAborted()
      listed += entries.length
      if (listed > (at.maxNames ?? Number.POSITIVE_INFINITY)) throw new Error(`the work tree holds more than ${at.maxNames} names`)
      for (const entry of entries) {
        const plain = entry.name.toString('latin1')
        const name = below + plain
        if (plain === '.git' || plain === 'node_modules') continue
        if (entry.isDirectory()) (own.has(name) ? known : strange).push(`${name}/`)
        else if ((entry.isFile() || entry.isSymbolicLink()) && !files.has(name)) found.push(Buffer.from(name, 'latin1'))
      }
    }
    const ignored = await sifted(strange.map((name) => Buffer.from(name, 'latin1')))
    level = [...known, ...strange.filter((name) => !ignored.has(name))]
  }
  const ignored = await sifted(found)
  return { found: found.filter((name) => !ignored.has(name.toString('latin1'))), unread, unsifted }
}

/** A name that begins with a colon would be a pattern to git; behind `./` it is none. */
const HERE = Buffer.from('./')

/** Patterns can be made that take git for ever. */
const SIFT_TIMEOUT_MS = 10_000

async function ignoredOf(at: Listing, names: readonly Buffer[]): Promise<ReadonlySet<string> | undefined> {
  if (names.length === 0) return new Set()
  const input = joined(names.map((name) => Buffer.concat([HERE, name])))
  try {
    const { stdout } = await git(['check-ignore', '-z', '--stdin', '--no-index'], { timeoutMs: SIFT_TIMEOUT_MS, ...at, input, expect: [1] })
    return new Set(records(stdout).map((name) => name.subarray(HERE.length).toString('latin1')))
  } catch (error) {
    if (error instanceof ProgramTimeout) return undefined
    throw error
  }
}
