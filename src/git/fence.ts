import { git } from './git.ts'
import type { Sha } from './branch.ts'

/** Names the one service that may move branches here; a blob, so that no log lists it. */
const FENCE = 'refs/service/owner'

/** What `refs/service/owner` is while its service owns the workspace. */
export type Fence = Sha

/**
 * Makes a service the one that may move branches of this repository; whoever raised the fence before fails at its next `moveRef`.
 *
 * @param owns shows, by a write to the journal, that the service owns the workspace, and rejects where it does not. It is asked
 *   between looking at the fence and raising it, so that a former owner cannot raise it above a newer one.
 */
export async function raiseFence(gitDir: string, owner: string, owns: () => Promise<unknown>): Promise<Fence> {
  const { text: fence } = await git(['hash-object', '-w', '--stdin'], { gitDir, input: `${owner}\n` })
  const before = await fenceAt(gitDir)
  if (before === fence) return fence
  await owns()
  await git(['update-ref', '--end-of-options', FENCE, fence, before ?? '0'.repeat(fence.length)], { gitDir })
  return fence
}

export const fenceHolds = async (gitDir: string, fence: Fence): Promise<boolean> => (await fenceAt(gitDir)) === fence

async function fenceAt(gitDir: string): Promise<Fence | undefined> {
  const { code, text } = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', FENCE], { gitDir, expect: [1, 128] })
  return code === 0 ? text : undefined
}

/** What `git update-ref --stdin` checks in the same transaction. */
export const verifyFence = (fence: Fence | undefined): string => (fence === undefined ? '' : `verify ${FENCE} ${fence}\n`)
