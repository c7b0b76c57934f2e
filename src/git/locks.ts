import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processTable } from '../process/table.ts'

/** How long a git that was there before us may hold what it holds. */
const PATIENCE_MS = 10_000
const LOOK_MS = 50

/**
 * Removes the locks that dead programs left in a git directory, while others may work there: a lock that was seen belongs to none that
 * began later, so it is stale when all that were alive then have ended.
 *
 * @returns whether there were any
 */
export async function removeStaleLocks(gitDir: string): Promise<boolean> {
  const seen = await locksIn(gitDir)
  if (seen.length === 0) return false
  const holders = new Set((await processTable()).filter((entry) => entry.gitDir === gitDir && entry.uid === process.getuid?.()).map((entry) => entry.pid))
  for (const end = performance.now() + PATIENCE_MS; holders.size > 0 && performance.now() < end; await delay(LOOK_MS)) {
    const alive = new Set((await processTable()).map((entry) => entry.pid))
    for (const pid of holders) if (!alive.has(pid)) holders.delete(pid)
  }
  if (holders.size > 0) return false
  const left = new Map((await locksIn(gitDir)).map((lock) => [lock.path, lock.made]))
  const stale = seen.filter((lock) => left.get(lock.path) === lock.made)
  for (const { path } of stale) await rm(path, { force: true })
  return stale.length > 0
}

/** `HEAD.lock`, `packed-refs.lock` and those of refs; objects are written without. */
async function locksIn(gitDir: string): Promise<readonly { readonly path: string; readonly made: string }[]> {
  const entries = [
    ...(await readdir(gitDir, { withFileTypes: true }).catch(() => [])),
    ...(await readdir(join(gitDir, 'refs'), { recursive: true, withFileTypes: true }).catch(() => [])),
  ]
  const paths = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.lock')).map((entry) => join(entry.parentPath, entry.name))
  const locks = await Promise.all(
    paths.map(async (path) => {
      const about = await lstat(path, { bigint: true }).catch(() => undefined) // its holder has put it away
      return about === undefined ? [] : [{ path, made: `${about.ino} ${about.mtimeNs}` }]
    }),
  )
  return locks.flat()
}
