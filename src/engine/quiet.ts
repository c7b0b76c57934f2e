import { endAll } from '../process/end-all.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/**
 * Ends everything of a thread's slot but its idle agent, and has its preview stand still until the turn is over: while files are read,
 * written or given away there, nobody may swap them.
 */
export async function quiet({ home }: Pick<Thread, 'home'>, { agents, previews }: Tools): Promise<void> {
  await endAll(home.slot, agents.kept(home.slot.slot))
  await previews.standStill(home.slot.slot)
}
