import * as z from 'zod'
import { RunEvent } from '../../../src/command/event.ts'
import { JobStanding } from '../../../src/command/job.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { asked, detailOf } from './asking.ts'
import type { Tending } from './tending.ts'
import type { Thread } from './threads.ts'

const StatusAnswer = z.object({ job: z.unknown().optional() })

/** Asks how its commands stand, and notes those that have ended. */
export async function ask(thread: Thread, instance: string, tending: Tending): Promise<void> {
  const { jobs, threads, log } = tending
  const { threadId } = thread
  let after = thread.instance === instance ? thread.lastEvent : undefined
  for (const job of jobs.open(threadId)) {
    if (job.instance !== instance) continue
    const query = new URLSearchParams({ job: job.command.commandId, ...(after === undefined ? {} : { after }) })
    try {
      const answer = await asked(tending.container(threadId), `/status?${query.toString()}`, {})
      if (!answer.ok) throw new Error(`it answered ${answer.status}: ${detailOf(await answer.text())}`)
      const standing = readStanding(StatusAnswer.parse(await answer.json()).job)
      if (thread.silentSince !== undefined) threads.change(threadId, { silentSince: undefined })
      if (standing === undefined) {
        // The service in it was started anew, and knows nothing of it.
        log.warn({ event: 'job.unknown', commandId: job.command.commandId, threadId, instance })
        await tending.container(threadId).stop()
        return
      }
      for (const event of standing.events) {
        after = event.id
        if (event.type === 'cost.counted' && event.commandId !== undefined) jobs.costs(event.commandId, event.costUsd)
        if (event.type !== 'gap') tending.hear(job, event)
      }
      if (after !== undefined) threads.change(threadId, { lastEvent: after })
      if (standing.report !== undefined) {
        jobs.end(job, standing.report, Date.now())
        const { result, pushed } = standing.report
        log.info({ event: 'job.ended', commandId: job.command.commandId, threadId, success: result.success, code: result.code, pushed, attempt: job.attempt })
      }
    } catch (error) {
      log.warn({ event: 'container.silent', threadId, instance, error: messageOf(error) })
      if (thread.silentSince === undefined) threads.change(threadId, { silentSince: Date.now() })
      return
    }
  }
}

/** What a container of another version says besides is passed over. */
function readStanding(said: unknown): JobStanding | undefined {
  if (said === undefined) return undefined
  const { events } = z.object({ events: z.array(z.unknown()).default([]) }).parse(said)
  return JobStanding.parse({ ...said, events: events.map((event) => RunEvent.safeParse(event).data).filter((event) => event !== undefined) })
}
