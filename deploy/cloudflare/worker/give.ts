import { BETWEEN } from '../../../src/command/command.ts'
import type { Job } from '../../../src/command/job.ts'
import { askContainer, detailOf } from './container-request.ts'
import type { JobStore } from './job-store.ts'
import { reportOf } from './report.ts'
import type { Settings } from './settings.ts'
import type { StoredJob } from './stored-job.ts'
import type { StepTools } from './thread-step.ts'
import type { Thread } from './threads.ts'

/** Containers that a command may use up, by crashes or by being lost while they work on it. */
const ATTEMPTS = 3
/** Containers that it may be offered to, whether or not they came to take it. */
const OFFERS = 6
/** Merges that are made again in a new container. */
const AGAIN = 20
/** A token ends after an hour; another one is handed in before. */
const TOKEN_MS = 40 * 60_000
const DAY_MS = 24 * 60 * 60_000

/**
 * Hands a container what its turn has come for: the first command of the thread, and those behind it that interrupt. Answers whether it
 * took all of that.
 */
export async function give(open: readonly StoredJob[], instance: string, thread: Thread, tools: StepTools): Promise<boolean> {
  const { jobs, log } = tools
  for (const [at, job] of open.entries()) {
    if (at > 0 && job.command.delivery !== 'interrupt') return true
    const isThere = job.instance === instance && job.givenAt !== undefined
    if (isThere && Date.now() - job.givenAt < TOKEN_MS) continue
    const refused = isThere ? undefined : refusal(job, tools)
    if (refused !== undefined) {
      jobs.end(job, refused, Date.now())
      continue
    }
    const counted = !isThere && (job.instance === undefined || job.instance === instance || job.instance !== thread.moved)
    if (!jobs.offered(job, instance, counted)) continue // it ended while the container was looked for
    const answer = await send(job, instance, thread, tools)
    if (answer.status === 202) {
      jobs.given(job, Date.now(), counted)
      if (!isThere)
        log.info({ event: 'job.given', commandId: job.command.commandId, threadId: thread.threadId, instance, attempt: job.attempt + Number(counted) })
      continue
    }
    log.warn({ event: 'job.not_taken', commandId: job.command.commandId, status: answer.status, answer: answer.text.slice(0, 500) })
    if (answer.status < 400 || answer.status >= 500) return false // it stops, or its disk is full
    jobs.end(job, reportOf(job, 'rejected', `The container did not take it (${answer.status}): ${detailOf(answer.text)}`), Date.now())
  }
  return true
}

/** Why a command is not handed in (once more). */
function refusal(job: StoredJob, { jobs, settings }: StepTools) {
  if (job.attempt >= ATTEMPTS)
    return reportOf(job, 'crashed', `Its container was lost ${job.attempt} times while it worked on this. What had been pushed is on the branch.`)
  if (job.offers >= OFFERS) return reportOf(job, 'crashed', `No container could be given this, ${job.offers} times: each ended before it had taken it.`)
  const left = leftOf(job, jobs, settings)
  return left !== undefined && left <= 0 ? reportOf(job, 'budget', 'The limit of what may be spent is reached.') : undefined
}

/** What a command may still spend, in USD, by the limits of commands, threads and the day (UTC). */
function leftOf({ command, costUsd }: StoredJob, jobs: JobStore, settings: Settings): number | undefined {
  const { thread, day } = jobs.spent(command.threadId, Math.floor(Date.now() / DAY_MS) * DAY_MS)
  const { MAX_COST_USD: each, MAX_COST_USD_PER_THREAD: ofThread, MAX_COST_USD_PER_DAY: ofDay } = settings
  const own = [command.maxCostUsd, each].filter((limit) => limit !== undefined).map((limit) => limit - costUsd)
  const left = [...own, ...(ofThread === undefined ? [] : [ofThread - thread]), ...(ofDay === undefined ? [] : [ofDay - day])]
  return left.length === 0 ? undefined : Math.min(...left)
}

async function send(job: StoredJob, instance: string, { threadId }: Thread, tools: StepTools): Promise<{ readonly status: number; readonly text: string }> {
  const { jobs, settings, sessions } = tools
  const container = tools.container(threadId)
  const [left, issue] = [leftOf(job, jobs, settings), await tools.issueThread(job)]
  const isNew = !jobs.hasGiven(threadId, instance)
  const session = isNew ? sessions.of(threadId) : undefined
  const body: Job = {
    command: wired(job, left),
    before: isNew
      ? jobs
          .unpushed(threadId)
          .slice(-AGAIN)
          .map((each) => wired(each, left))
      : [],
    ...(session === undefined ? {} : { session }),
    conflicted: [...(issue?.conflicted ?? [])],
    credential: await container.credential(),
  }
  const answer = await askContainer(container, '/process-issue', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'process_issue', payload: {}, config: {}, job: body }),
  })
  return { status: answer.status, text: await answer.text() }
}

/** A command as a container takes it: with what it took along, as one text. */
function wired({ command, carried }: StoredJob, left: number | undefined): Job['command'] {
  const { type, delivery, repoUrl } = command
  if ((type !== 'edit' && type !== 'merge') || delivery === 'steer' || repoUrl === undefined) throw new Error(`${command.commandId} is not for a container`)
  const together = [...carried, command]
  const limit = left === undefined ? {} : { maxCostUsd: Math.max(left, 0.000_001) }
  const instruction = together.map((each) => each.instruction).join(BETWEEN)
  return { ...command, ...limit, type, delivery, repoUrl, instruction, attachments: together.flatMap(({ attachments }) => attachments) }
}
