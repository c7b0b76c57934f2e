import { workspaceKey, type ThreadRef, type WorkspaceId } from '../command/ids.ts'
import { failpoint } from '../observe/failpoint.ts'
import { exists } from '../workspace/files.ts'
import { threadPaths } from '../workspace/paths.ts'
import { layOutSpare, newThreadTip } from '../workspace/thread-home.ts'
import { agentPlace, keepingOf } from './agent-place.ts'
import { offerDependencies } from './dependencies.ts'
import { slotOf, workspaceNames } from './names.ts'
import { prepareThread } from './prepare.ts'
import type { Tools } from './tools.ts'

/** Starts the agent of a thread before its next message comes. In the thread's turn. */
export async function warmThread(ref: ThreadRef, tools: Tools, stop: AbortSignal): Promise<void> {
  if (!(await exists(threadPaths(tools.root, await workspaceNames(ref, tools), '').repository))) return // a message begins a workspace
  const { record, home } = await prepareThread(ref, {}, tools, stop)
  await tools.agents.warm(agentPlace(ref, record, home), keepingOf(home))
}

/**
 * Has a slot ready for the next new thread of a workspace: the files that such a thread begins with, their dependencies where
 * they are stored already, and an agent that waits. A thread that begins elsewhere has the files changed when it takes the slot.
 */
export async function makeSpare({ clientId, userId, projectId }: WorkspaceId, tools: Tools): Promise<void> {
  const workspace = { clientId, userId, projectId }
  if (tools.spareAgent) await tools.once(`spare ${workspaceKey(workspace)}`, () => makeNow(workspace, tools))
}

async function makeNow(workspace: WorkspaceId, tools: Tools): Promise<void> {
  const names = await workspaceNames(workspace, tools)
  const { repository } = threadPaths(tools.root, names, '')
  if (!(await exists(repository))) return
  const known = (await tools.journal.spares()).find((each) => workspaceKey(each.workspace) === workspaceKey(workspace))
  const spare = known ?? (await tools.journal.reserveSpare(workspace))
  await failpoint('spare.reserved')
  const paths = threadPaths(tools.root, names, spare.slot)
  const home = { paths, slot: slotOf(spare, tools) }
  const tip = await newThreadTip(repository)
  const whole = spare.laidOut === tip && (await exists(paths.workTree))
  if (whole && tools.agents.waits(home.slot, spare.sessionId)) return
  // From here on no thread takes it, until all of it is ready: starting its agent ends whatever else runs in the slot.
  if ((await tools.journal.spareReady(workspace, undefined)) === 'lost') return
  if (!whole) {
    await layOutSpare(home, tip)
    await failpoint('spare.laid_out')
    await offerDependencies({ slot: spare.slot, workTree: paths.workTree, slotNumber: spare.slotNumber, tell: () => {} }, tools, tools.stopping)
  }
  await tools.agents.warm(agentPlace(workspace, spare, home), keepingOf(home))
  await tools.journal.spareReady(workspace, tip)
  await failpoint('spare.ready')
}
