import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { branchRef, type Sha } from './branch.ts'
import { git } from './git.ts'

const FSCK_TIMEOUT_MS = 10 * 60_000

/** What `git fsck` says of objects that are missing or corrupt, or `undefined`. A corrupt one that nothing needs yet would be taken for whole later. */
export async function damageOf(gitDir: string): Promise<string | undefined> {
  const { code, stdout } = await git(['fsck', '--full', '--no-dangling', '--no-progress', '--no-reflogs'], {
    gitDir,
    timeoutMs: FSCK_TIMEOUT_MS,
    expect: Array.from({ length: 255 }, (_, at) => at + 1),
  })
  return (code & DAMAGED) === 0 ? undefined : stdout.toString('utf8').trim().slice(0, 2000) || `git fsck ended with ${code}`
}

/** Of the exit code of `git fsck`: bad objects, missing ones, bad packs. */
const DAMAGED = 1 | 2 | 4

/** Removes refs whose file is empty, as after a power failure; answers whether there were any. */
export async function removeEmptyRefs(gitDir: string): Promise<boolean> {
  let found = false
  for (const entry of await readdir(join(gitDir, 'refs'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || (await stat(path)).size > 0) continue
    await rm(path)
    found = true
  }
  return found
}

/** Makes HEAD name a branch where it names none, for without that git takes the folder for no repository; answers whether it had to. */
export async function restoreHead(gitDir: string): Promise<boolean> {
  const head = join(gitDir, 'HEAD')
  if (/^ref: refs\/heads\/\S+\n$/.test(await readFile(head, 'utf8').catch(() => ''))) return false
  await writeFile(head, `ref: ${branchRef('main')}\n`)
  const { text } = await git(['for-each-ref', '--format=%(refname)', branchRef('main'), branchRef('master')], { gitDir })
  const [branch] = text.split('\n')
  if (branch !== undefined && branch !== '') await git(['symbolic-ref', 'HEAD', branch], { gitDir })
  return true
}

/** Points a ref that names no commit to the first of `candidates` that is there; answers `false` where none is. */
export async function replaceBrokenRef(gitDir: string, ref: string, candidates: readonly Sha[]): Promise<boolean> {
  for (const commit of candidates) {
    if (!(await isWhole(gitDir, commit))) continue
    await rm(join(gitDir, ref), { force: true }) // git does not replace a file that is no ref
    await git(['update-ref', '--end-of-options', ref, commit], { gitDir })
    return true
  }
  return false
}

/**
 * Takes over, from a damaged repository into a sound one, the first of `candidates` whose history is whole down to the last file.
 *
 * @param taken commits that were taken over before; what they hold is not packed again
 * @returns the commit, or `undefined` where none is whole
 */
export async function salvage(
  damaged: string,
  sound: string,
  ref: string,
  { candidates, taken }: { readonly candidates: readonly Sha[]; readonly taken: readonly Sha[] },
): Promise<Sha | undefined> {
  for (const commit of candidates) {
    if (await isWhole(sound, commit)) {
      await git(['update-ref', '--end-of-options', ref, commit], { gitDir: sound }) // it came from origin
      return commit
    }
    const pack = ['pack-objects', '--revs', '--quiet', join(sound, 'objects', 'pack', 'pack')]
    const { code } = await git(pack, {
      gitDir: damaged,
      input: [commit, ...taken.map((each) => `^${each}`)].map((each) => `${each}\n`).join(''),
      expect: [1, 128],
      timeoutMs: FSCK_TIMEOUT_MS,
    })
    if (code !== 0) continue
    await git(['update-ref', '--end-of-options', ref, commit], { gitDir: sound })
    return commit
  }
  return undefined
}

/** The commit is there with its tree; of a repository without corrupt objects that is as much as to say with all its files. */
async function isWhole(gitDir: string, commit: Sha): Promise<boolean> {
  const { code } = await git(['cat-file', '-e', `${commit}^{tree}`], { gitDir, expect: [1, 128] })
  return code === 0
}
