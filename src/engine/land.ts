import { branchRef, moveRef } from '../git/branch.ts'
import { adoptIndex } from '../git/checkout.ts'
import type { Saving } from '../journal/journal.ts'
import { failpoint } from '../observe/failpoint.ts'
import { checkoutTree } from '../workspace/thread-home.ts'
import type { Thread } from './thread.ts'
import { Unfinished } from './reasons.ts'

/**
 * Brings a commit that the journal has recorded onto its branch; index and work tree follow.
 *
 * @param staged the index that holds what was in the work tree
 * @throws Unfinished whatever fails: recovery finishes it from the record
 */
export async function land(
  { commit, before, checkout }: Pick<Saving, 'commit' | 'before' | 'checkout'>,
  staged: string,
  { home, fence }: Thread,
): Promise<void> {
  try {
    await failpoint('save.noted')
    await moveRef(home.checkout.gitDir, branchRef(home.branch), commit, before, fence)
    await failpoint('save.moved')
    await adoptIndex(home.checkout, staged)
    await failpoint('save.indexed')
    if (checkout !== true) return
    await checkoutTree(home, commit)
    await failpoint('save.checked_out')
  } catch (error) {
    throw new Unfinished(error)
  }
}
