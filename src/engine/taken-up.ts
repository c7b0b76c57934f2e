import { setTimeout as delay } from 'node:timers/promises'
import { refOf, type CommandRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { Unfinished } from './reasons.ts'
import { recoverRun } from './recovery.ts'
import type { Ran } from './run-command.ts'
import type { Tools } from './tools.ts'

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000

/** Work that was broken off is recovered, and this is what became of its command. */
export class TakenUp extends Error {
  readonly ran: Ran
  constructor(ran: Ran) {
    super('the run was recovered')
    this.name = 'TakenUp'
    this.ran = ran
  }
}

/**
 * Work in a thread's turn that is not left half done: a commit that is recorded gets onto its branch, and the work tree follows,
 * before anything else of the thread begins.
 *
 * @throws TakenUp where it had to be recovered
 */
export async function whole<Value>(run: CommandRecord, work: () => Promise<Value>, tools: Tools, stop: AbortSignal): Promise<Value> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Unfinished)) throw error
    tools.log.error({ event: 'push.broke', commandId: run.command.commandId, err: error })
  }
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(LONGEST_WAIT_MS, wait * 2)) {
    await delay(wait, undefined, { signal: stop })
    try {
      const record = await tools.journal.command(refOf(run.command))
      if (record !== undefined) throw new TakenUp(await recoverRun(record, tools))
    } catch (error) {
      if (error instanceof TakenUp) throw error
      tools.log.error({ event: 'run.not_recovered', commandId: run.command.commandId, error: messageOf(error) })
    }
  }
}
