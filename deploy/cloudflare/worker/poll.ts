import * as z from 'zod'
import { RunEvent } from '../../../src/command/event.ts'
import { JobStanding } from '../../../src/command/job.ts'
import { askContainer, detailOf } from './container-request.ts'
import type { StepTools } from './thread-step.ts'
import type { Thread } from './threads.ts'

const Answer = z.object({ job: z.unknown().optional() })
const Heard = z.object({ events: z.array(z.unknown()).default([]) })
const Id = z.object({ id: z.string().max(40) })

/**
 * Asks a container how its commands stand, tells what happened, and notes those that have ended.
 *
 * @throws where it does not answer, or nothing of use
 */
export async function poll({ threadId, ...thread }: Thread, instance: string, tools: StepTools): Promise<void> {
  const { jobs, threads, log } = tools
  let after = thread.instance === instance ? thread.lastEvent : undefined
  for (const job of jobs.open(threadId)) {
    if (job.instance !== instance || job.givenAt === undefined) continue
    const { commandId } = job.command
    const query = new URLSearchParams({ job: commandId, ...(after === undefined ? {} : { after }) })
    const answer = await askContainer(tools.container(threadId), `/status?${query.toString()}`)
    if (!answer.ok) throw new Error(`it answered ${answer.status}: ${detailOf(await answer.text())}`)
    const { job: said } = Answer.parse(await answer.json())
    if (said === undefined) {
      // The service in it was started anew, and knows nothing of it.
      log.warn({ event: 'job.unknown', commandId, threadId, instance })
      await tools.container(threadId).stop()
      return
    }
    const { standing, last } = readStanding(said)
    if (standing.commandId !== commandId) throw new Error('it speaks of another command')
    for (const event of standing.events) {
      if (event.type === 'cost.counted' && event.commandId !== undefined) jobs.costs(event.commandId, threadId, event.costUsd)
      if (event.type !== 'gap') tools.hear(job, event)
    }
    if (last !== undefined) threads.change(threadId, { lastEvent: (after = last) })
    if (standing.report === undefined) continue
    jobs.end(job, standing.report, Date.now())
    const { result, pushed } = standing.report
    log.info({ event: 'job.ended', commandId, threadId, success: result.success, code: result.code, pushed, attempt: job.attempt })
  }
}

/** What a container of another version says besides is passed over. */
function readStanding(said: unknown): { readonly standing: JobStanding; readonly last: string | undefined } {
  const { events } = Heard.parse(said)
  const known = events.map((event) => RunEvent.safeParse(event).data).filter((event) => event !== undefined)
  return { standing: JobStanding.parse({ ...Object(said), events: known }), last: Id.safeParse(events.at(-1)).data?.id }
}
