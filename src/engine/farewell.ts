import { randomUUID } from 'node:crypto'
import type { Command } from '../command/command.ts'
import { CommandId } from '../command/ids.ts'
import { branchRef, commitAndTree } from '../git/branch.ts'
import { branchAtOrigin } from '../git/remote.ts'
import { originOf } from '../git/repository.ts'
import { stage } from '../git/stage.ts'
import { messageOf } from '../observe/text.ts'
import { tipOf } from '../workspace/thread-home.ts'
import type { Engine } from './engine.ts'
import { quiet } from './quiet.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/**
 * Before an end that nobody asked for: what lies in the work trees of the threads that were worked in is committed, and their branches
 * are pushed where that is wanted. Answers whether there was anything to do; it is done by commands like any other.
 */
export async function sayFarewell(engine: Engine, tools: Tools, push: 'none' | 'all', stop: AbortSignal): Promise<boolean> {
  let asked = false
  for (const thread of tools.prepared.values()) {
    if (stop.aborted) break
    try {
      if (await engine.inTurn(thread.ref, () => hasUncommitted(thread, tools)))
        asked = (await askFor(engine, thread, 'commit', 'Saved before the service ended')) || asked
      if (push === 'all' && (await hasUnpushed(thread, tools))) asked = (await askFor(engine, thread, 'push', '')) || asked
    } catch (error) {
      tools.log.warn({ event: 'farewell.failed', threadId: thread.ref.threadId, error: messageOf(error) }) // what was written is on the disk
    }
  }
  return asked
}

/** Whether something lies in the work tree that no commit holds; in the thread's turn. */
export async function hasUncommitted(thread: Thread, tools: Tools): Promise<boolean> {
  await quiet(thread, tools)
  const { tree } = await commitAndTree(thread.home.checkout.gitDir, branchRef(thread.home.branch))
  return (await stage(thread.home.checkout, tools.holdsSecret)).tree !== tree
}

async function hasUnpushed({ home, record }: Thread, tools: Tools): Promise<boolean> {
  const origin = await originOf(home.paths.repository)
  const tip = await tipOf(home)
  if (origin === undefined || tip === record.base) return false
  return (await branchAtOrigin(home.paths.repository, tools.remoteFor(origin), home.branch)) !== tip
}

/** Has it done by a command like any other. */
export async function askFor(engine: Engine, { ref }: Thread, type: 'commit' | 'push', instruction: string): Promise<boolean> {
  const command: Command = {
    ...ref,
    commandId: CommandId.parse(`farewell-${randomUUID()}`),
    sessionId: ref.threadId,
    timestamp: Date.now(),
    type,
    instruction,
    mode: 'execute',
    delivery: 'queue',
    attachments: [],
  }
  return (await engine.accept(command, 'http')).kind === 'accepted'
}
