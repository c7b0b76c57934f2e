import type { Ending } from '../command/ending.ts'
import { RunFailure } from '../command/ending.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { canCheckOut } from '../git/checkout.ts'
import { stepsOf } from '../git/step.ts'
import { tipOf } from '../workspace/thread-home.ts'
import { targetOf } from '../workspace/checkpoint.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** Finds the checkpoint to go back to; saving makes the new commit that restores it. History is never rewritten. */
export async function restore(run: CommandRecord, thread: Thread, tools: Tools): Promise<Ending> {
  const checkpoints = await tools.journal.checkpoints(thread.ref)
  const tip = await tipOf(thread.home)
  const target = targetOf(run.command.instruction, {
    base: thread.home.base,
    tip,
    checkpoints,
    steps: await stepsOf(thread.home.paths.repository, thread.names.thread),
  })
  if (target === undefined) {
    const asked = run.command.instruction
    throw new RunFailure(
      'rejected',
      asked === '' ? 'There is nothing to undo.' : `checkpoint: ${asked} is not a checkpoint of this thread; GET …/checkpoints lists them.`,
    )
  }
  if (!(await canCheckOut(thread.home.checkout, target.commit)))
    throw new RunFailure('rejected', `checkpoint: ${target.commit} cannot be taken back to: it lacks objects, or holds names that git puts into no work tree.`)
  return { kind: 'completed', summary: `Back at ${target.shown}`, restores: target.commit }
}
