import { failpoint } from '../observe/failpoint.ts'
import { rename, rm } from 'node:fs/promises'
import { threadKey, type ThreadRef } from '../command/ids.ts'
import { endAll } from '../process/end-all.ts'
import { removeTree } from '../process/remove-tree.ts'
import type { Engine } from './engine.ts'
import { exists } from '../workspace/files.ts'
import { standing } from './inspect.ts'
import { askFor, hasUncommitted } from './farewell.ts'
import { previewSlot } from './names.ts'
import { prepareThread } from './prepare.ts'
import type { Tools } from './tools.ts'

/**
 * Gives up the work tree, the agent and the preview of a thread that nothing more is expected of; its branch and its conversation stay,
 * and its next message brings the rest back. What nobody has committed yet is committed first.
 */
export async function park(ref: ThreadRef, engine: Engine, tools: Tools): Promise<void> {
  await tools.once(`park ${threadKey(ref)}`, () => parkNow(ref, engine, tools))
}

async function parkNow(ref: ThreadRef, engine: Engine, tools: Tools): Promise<void> {
  const found = await standing(ref, tools)
  if (found?.record.base === undefined) return
  const { workTree } = found.paths
  if (!(await exists(workTree)) && !(await exists(asideOf(workTree)))) return // nothing of it is there
  const thread = await engine.inTurn(ref, (stop) => prepareThread(ref, {}, tools, stop))
  if (await engine.inTurn(ref, () => hasUncommitted(thread, tools))) await askFor(engine, thread, 'commit', 'Saved before the thread was parked')
  await engine.previews.stop(ref)
  await engine.inTurn(ref, async () => {
    const { slot, paths } = thread.home
    if (!(await exists(paths.workTree)) || (await hasUncommitted(thread, tools))) return // something came in between
    await tools.agents.end(slot.slot)
    for (const each of [slot, previewSlot(thread.record, tools)]) await endAll(each, new Set())
    tools.prepared.delete(threadKey(ref))
    // Moved first: where half of it was removed, the rest would look as if files had been deleted.
    const aside = asideOf(paths.workTree)
    await removeTree(aside)
    await rename(paths.workTree, aside)
    await failpoint('park.moved')
    for (const folder of [aside, paths.agent.folder, paths.given, paths.build.folder, paths.preview.folder, paths.preview.built]) await removeTree(folder)
    await rm(paths.index, { force: true })
    tools.log.info({ event: 'thread.parked', ...ref })
  })
}

/** Where a work tree that is made anew is removed first. */
const asideOf = (workTree: string): string => `${workTree}.making`
