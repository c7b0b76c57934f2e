import type { Ending } from '../command/ending.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { build } from './build.ts'
import { edit } from './edit.ts'
import type { HeadStart } from './head-start.ts'
import type { Thread } from './thread.ts'
import { quiet } from './quiet.ts'
import { endingOf, OverLimit } from './reasons.ts'
import { merge } from './merge.ts'
import { restore } from './restore.ts'
import { write } from './write.ts'
import type { Tools } from './tools.ts'

/** Does what a command asks for, but for saving. Being stopped and failing are endings like any other. */
export async function carryOut(run: CommandRecord, thread: Thread, tools: Tools, stop: AbortSignal, head?: HeadStart): Promise<Ending> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(new OverLimit(tools.rules.limitMs / 60_000)), tools.rules.limitMs)
  const either = AbortSignal.any([stop, limit.signal])
  try {
    if (head !== undefined) return await goOn(head, thread, either)
    if (either.aborted) return endingOf(either.reason)
    switch (run.command.type) {
      case 'edit':
        return await edit(run, thread, { thread: Promise.resolve(thread) }, tools, either)
      case 'build':
        return await build(thread, tools, either)
      case 'commit':
        await quiet(thread, tools)
        return { kind: 'completed', summary: '' }
      case 'restore':
        await quiet(thread, tools)
        return await restore(run, thread, tools)
      case 'merge':
        await quiet(thread, tools)
        return await merge(run, thread, tools, either)
      case 'write':
        await quiet(thread, tools)
        return await write(run, thread, tools)
      case 'push':
      case 'preview':
        throw new Error(`a ${run.command.type} has no turn of its own to save`)
    }
  } catch (error) {
    return endingOf(error)
  } finally {
    clearTimeout(timer)
  }
}

/** The edit has begun; from here on its thread is ready, and its time is limited. */
async function goOn(head: HeadStart, thread: Thread, stop: AbortSignal): Promise<Ending> {
  stop.addEventListener('abort', () => head.stop(stop.reason), { once: true })
  head.ready(thread)
  return head.ending
}
