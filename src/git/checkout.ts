import { rename, rm } from 'node:fs/promises'
import type { Sha } from './branch.ts'
import { git } from './git.ts'
import type { Checkout } from './stage.ts'

/**
 * Makes the work tree hold exactly the files of `commit`, ignored ones left alone.
 * Whatever was not saved before is overwritten: save first.
 */
export async function checkout(at: Checkout, commit: Sha, umask?: number): Promise<void> {
  await unlock(at)
  await git(['read-tree', '-u', '--reset', commit], { ...at, umask })
}

/** Makes the index hold `commit` and leaves the files as they are, so that they count as changed where they differ. */
export async function resetIndex(at: Checkout, commit: Sha): Promise<void> {
  await unlock(at)
  await git(['read-tree', '--reset', commit], at)
}

/** Whether git would take every name of a commit into a work tree; some are refused there and not where commits are made. */
export async function canCheckOut(at: Checkout, commit: Sha): Promise<boolean> {
  const indexFile = `${at.indexFile}.trial`
  try {
    const { code } = await git(['read-tree', '--end-of-options', commit], { gitDir: at.gitDir, indexFile, expect: [1, 128] })
    return code === 0
  } finally {
    await Promise.all([rm(indexFile, { force: true }), rm(`${indexFile}.lock`, { force: true })])
  }
}

/** The staged index becomes the checkout's; called when the branch has moved to what it holds. */
export async function adoptIndex(at: Checkout, staged: string): Promise<void> {
  await rename(staged, at.indexFile)
}

/** A git that was killed leaves the lock of its index; a work tree is changed by one of us at a time. */
const unlock = ({ indexFile }: Checkout): Promise<void> => rm(`${indexFile}.lock`, { force: true })
