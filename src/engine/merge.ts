import { RunFailure, type Ending } from '../command/ending.ts'
import { originRef, resolve } from '../git/branch.ts'
import { canCheckOut } from '../git/checkout.ts'
import { fetchOrigin } from '../git/remote.ts'
import { originOf } from '../git/repository.ts'
import type { CommandRecord } from '../journal/journal.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/**
 * Finds what a branch of origin is at; saving merges it where it conflicts with the thread, markers and all, so that an agent can resolve
 * them. Where it does not conflict nothing is done: whoever merges the thread has no need of it.
 */
export async function merge({ command }: CommandRecord, thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const { repository } = thread.home.paths
  const origin = await originOf(repository)
  if (origin === undefined) throw new RunFailure('rejected', 'This workspace has no origin to merge from.')
  // Two at once would hold up each other's refs.
  await tools.once(repository, () => fetchOrigin(repository, tools.remoteFor(origin), { stop }))
  const theirs = await resolve(repository, originRef(command.instruction))
  if (theirs === undefined) throw new RunFailure('rejected', `instruction: ${command.instruction} is no branch of origin`)
  if (!(await canCheckOut(thread.home.checkout, theirs)))
    throw new RunFailure('rejected', `${command.instruction} cannot be merged: it holds names that git puts into no work tree.`)
  return { kind: 'completed', summary: `Merge ${command.instruction}`, merges: theirs }
}
