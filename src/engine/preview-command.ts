import type { Ending } from '../command/ending.ts'
import { RunFailure } from '../command/ending.ts'
import { Fenced, type CommandRecord } from '../journal/journal.ts'
import { inOneLine } from '../preview/page-errors.ts'
import { PreviewFailed } from '../preview/dev-server.ts'
import { CHECK_MS, touchedPages } from './page-check.ts'
import { prepareThread } from './prepare.ts'
import { openPreview } from './preview.ts'
import { endingOf } from './reasons.ts'
import { conclude, type Ran } from './run-command.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** Starts the preview of a thread, in its turn: it shows what the thread holds by then. What follows needs no turn. */
export async function beginPreview(run: CommandRecord, tools: Tools, stop: AbortSignal): Promise<Thread | Ending> {
  try {
    if (!tools.preview.on) throw new RunFailure('rejected', 'Previews are switched off (ASTRO_PORT=off).')
    const thread = await prepareThread(run.command, { repoUrl: run.command.repoUrl, startFrom: run.command.context?.branch }, tools, stop)
    await openPreview(thread, tools, { inTurn: (work) => work(stop), stop, anew: true })
    return thread
  } catch (error) {
    return endingOf(stop.aborted ? stop.reason : error)
  }
}

/** Waits until it answers. An error on a page is a failure whose `error` is that error. */
export async function finishPreview(run: CommandRecord, thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ran> {
  const { slot } = thread.home.slot
  const end = (ending: Ending): Promise<Ran> => conclude(run, ending, { kind: 'nothing', skipped: [] }, thread, tools)
  const failed = (code: 'preview_failed', error: string, pageErrors?: readonly string[]): Promise<Ran> =>
    end({ kind: 'failed', code, error: tools.redact(error), mayPass: false, ...(pageErrors === undefined ? {} : { pageErrors }) })
  try {
    await tools.previews.ready(slot, stop)
    const answers = await tools.previews.settled(slot, stop)
    const errors = await tools.previews.check(slot, touchedPages([], tools.previews.visited(slot)), AbortSignal.any([stop, AbortSignal.timeout(CHECK_MS)]))
    if (!answers || errors === undefined) return await failed('preview_failed', 'The preview has ended again while it was looked at; ask for it once more.')
    if (errors.length > 0) return await failed('preview_failed', errors.map(inOneLine).join('\n'), errors.map(inOneLine))
    return await end({ kind: 'completed', summary: `The preview is at ${(await tools.preview.urlOf(thread.ref)) ?? ''}` })
  } catch (error) {
    if (error instanceof Fenced) throw error
    if (stop.aborted) return end({ kind: 'shutdown' })
    if (error instanceof PreviewFailed) return failed('preview_failed', error.message)
    return end(endingOf(error))
  }
}
