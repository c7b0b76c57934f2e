import type { Job as WireJob } from '../../../src/command/job.ts'
import { asked, detailOf } from './asking.ts'
import type { Job, Jobs } from './jobs.ts'
import { reportOf } from './report.ts'
import type { Settings } from './settings.ts'
import type { Tending } from './tending.ts'
import type { Thread } from './threads.ts'

/** Containers that a command may use up, by crashes or by being lost. */
const ATTEMPTS = 3
/** A token is handed in anew before it ends, after an hour. */
const TOKEN_MS = 40 * 60_000
const DAY_MS = 24 * 60 * 60_000

/** Hands in what its turn has come for: the first command, and those behind it that interrupt. */
export async function handIn(open: readonly Job[], instance: string, thread: Thread, tending: Tending): Promise<void> {
  const { jobs, log } = tending
  for (const [at, job] of open.entries()) {
    const isThere = job.instance === instance
    if (at > 0 && job.command.delivery !== 'interrupt') return
    if (isThere && Date.now() - (job.givenAt ?? 0) < TOKEN_MS) continue
    const refused = isThere ? undefined : refusal(job, tending)
    if (refused !== undefined) {
      jobs.end(job, refused, Date.now())
      continue
    }
    const answer = await send(job, thread, instance, tending)
    if (answer.status === 202) {
      if (isThere) jobs.givenAgain(job, Date.now())
      else jobs.given(job, instance, Date.now())
      log.info({ event: 'job.given', commandId: job.command.commandId, threadId: thread.threadId, instance, attempt: job.attempt + 1 })
      continue
    }
    log.warn({ event: 'job.not_taken', commandId: job.command.commandId, status: answer.status, answer: answer.text.slice(0, 500) })
    if (answer.status < 400 || answer.status >= 500) return // it stops, or its disk is full: asked again, or replaced
    jobs.end(job, reportOf(job, 'rejected', `The container did not take it (${answer.status}): ${detailOf(answer.text)}`), Date.now())
  }
}

/** Why a command is not handed in (once more). */
function refusal(job: Job, { jobs, settings }: Tending) {
  if (job.attempt >= ATTEMPTS)
    return reportOf(job, 'crashed', `Its container was lost ${job.attempt} times while it worked on this. What had been pushed is on the branch.`)
  const left = leftOf(job, jobs, settings)
  return left !== undefined && left <= 0 ? reportOf(job, 'budget', 'The limit of what may be spent is reached.') : undefined
}

/** What a command may still spend, in USD, by the limits of commands, threads and the day (UTC). */
function leftOf(job: Job, jobs: Jobs, settings: Settings): number | undefined {
  const { thread, day } = jobs.spent(job.command.threadId, Math.floor(Date.now() / DAY_MS) * DAY_MS)
  const { MAX_COST_USD: command, MAX_COST_USD_PER_THREAD: ofThread, MAX_COST_USD_PER_DAY: ofDay } = settings
  const own = [job.command.maxCostUsd, command].filter((limit) => limit !== undefined).map((limit) => limit - job.costUsd)
  const left = [...own, ...(ofThread === undefined ? [] : [ofThread - thread]), ...(ofDay === undefined ? [] : [ofDay - day])]
  return left.length === 0 ? undefined : Math.min(...left)
}

async function send(job: Job, { threadId }: Thread, instance: string, tending: Tending): Promise<{ readonly status: number; readonly text: string }> {
  const { jobs, settings } = tending
  const box = tending.container(threadId)
  const left = leftOf(job, jobs, settings)
  const issue = await tending.issueThread(job)
  const session = job.instance === instance ? undefined : jobs.session(threadId)
  const body: WireJob = {
    command: wired(job, left),
    before: job.instance === instance ? [] : jobs.unpushed(threadId).map((each) => wired(each, left)),
    ...(session === undefined ? {} : { session }),
    conflicted: [...(issue?.conflicted ?? [])],
    credential: await box.credential(),
  }
  const answer = await asked(box, '/process-issue', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'process_issue', payload: {}, config: {}, job: body }),
  })
  return { status: answer.status, text: await answer.text() }
}

/** A command as a container takes it: with what it took along, as one text. */
function wired({ command, carried }: Job, left: number | undefined): WireJob['command'] {
  const { type, delivery, repoUrl } = command
  if ((type !== 'edit' && type !== 'merge') || delivery === 'steer' || repoUrl === undefined) throw new Error(`${command.commandId} is not for a container`)
  const instruction = [...carried, command].map((each) => each.instruction).join('\n\n---\n\n')
  const limit = left === undefined ? {} : { maxCostUsd: Math.max(left, 0.000_001) }
  return { ...command, ...limit, type, delivery, repoUrl, instruction, attachments: [...carried, command].flatMap(({ attachments }) => attachments) }
}
