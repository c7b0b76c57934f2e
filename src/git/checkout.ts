import { rename } from 'node:fs/promises'
import type { Sha } from './branch.ts'
import { git } from './git.ts'
import type { Checkout } from './stage.ts'

/**
 * Makes the work tree hold exactly the files of `commit`, ignored ones left alone.
 * Whatever was not saved before is overwritten: save first.
 */
export async function checkout(at: Checkout, commit: Sha, umask?: number): Promise<void> {
  await git(['read-tree', '-u', '--reset', commit], { ...at, umask })
}

/** Makes the index hold `commit` and leaves the files as they are, so that they count as changed where they differ. */
export async function resetIndex(at: Checkout, commit: Sha): Promise<void> {
  await git(['read-tree', '--reset', commit], at)
}

/** The staged index becomes the checkout's; called when the branch has moved to what it holds. */
export async function adoptIndex(at: Checkout, staged: string): Promise<void> {
  await rename(staged, at.indexFile)
}
