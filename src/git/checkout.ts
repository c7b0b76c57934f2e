import { rename } from 'node:fs/promises'
import type { Sha } from './branch.ts'
import { git } from './git.ts'
import type { Checkout } from './stage.ts'

/** Files of a checkout: written by the service, readable and writable for the group of the slot. */
const GROUP_WRITABLE = 0o007

/**
 * Makes the work tree hold exactly the files of `commit`, ignored ones left alone.
 * Whatever was not saved before is overwritten: save first.
 */
export async function checkout(at: Checkout, commit: Sha): Promise<void> {
  await git(['read-tree', '-u', '--reset', commit], { ...at, umask: GROUP_WRITABLE })
}

/** Removes files that no commit holds and that are not ignored; for a tree whose content was saved before. */
export async function removeUntracked(at: Checkout): Promise<void> {
  await git(['clean', '-ffdq'], at)
}

/** The staged index becomes the checkout's; called when the branch has moved to what it holds. */
export async function adoptIndex(at: Checkout, staged: string): Promise<void> {
  await rename(staged, at.indexFile)
}
