import { setTimeout as delay } from 'node:timers/promises'
import type { Ending } from '../command/ending.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { threadPaths } from '../workspace/paths.ts'
import { edit } from './edit.ts'
import { namesOf, slotOf } from './names.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** An agent that does not ask its model soon is not waited for. */
const PATIENCE_MS = 500

/** An edit that has begun before its thread is ready. */
export interface HeadStart {
  readonly ending: Promise<Ending>
  /** The thread is ready, or will not be. */
  readonly ready: (thread: Thread) => void
  readonly stop: (reason: unknown) => void
}

/**
 * Tells a message to the agent that waits in the slot of a new thread, before anything else is done: the model begins to think, and
 * what it answers is held back until the thread is ready. `undefined` where no such agent waits.
 */
export async function headStart(run: CommandRecord, tools: Tools, stop: AbortSignal): Promise<HeadStart | undefined> {
  if (run.command.type !== 'edit') return undefined
  const record = await tools.journal.thread(run.command)
  if (record?.laidOut === undefined || record.base !== undefined) return undefined
  const home = { slot: slotOf(record, tools), paths: threadPaths(tools.root, await namesOf(record.ref, tools), record.slot) }
  if (!tools.agents.waits(home.slot, record.sessionId)) return undefined
  const [thread, asked, over] = [Promise.withResolvers<Thread>(), Promise.withResolvers<void>(), new AbortController()]
  thread.promise.catch(() => {}) // the edit hears it, where it has come that far
  const ending = edit(run, { ref: record.ref, record, home }, { thread: thread.promise, onAsked: asked.resolve }, tools, AbortSignal.any([stop, over.signal]))
  ending.catch(() => {}) // whoever waits for it later hears it
  await Promise.race([asked.promise, ending.catch(() => {}), delay(PATIENCE_MS, undefined, { ref: false })])
  return {
    ending,
    ready: thread.resolve,
    stop: (reason) => {
      over.abort(reason)
      thread.reject(reason)
    },
  }
}
