import type { RunEvent } from '../../../src/command/event.ts'
import { backOff } from '../../../src/observe/back-off.ts'
import type { Log } from '../../../src/ways/github/desk.ts'
import type { IssueThread } from '../../../src/ways/github/threads.ts'
import type { ContainerObject } from './container.ts'
import { handIn } from './handing-in.ts'
import type { Job, Jobs } from './jobs.ts'
import { reportOf } from './report.ts'
import type { Settings } from './settings.ts'
import type { SlotsObject } from './slots.ts'
import { ask } from './standing.ts'
import type { Thread, Threads } from './threads.ts'

/** Starts that may fail, one after the other, before its messages are answered. */
const STARTS = 5
/** How long the platform may have no container free before that is answered. */
const FULL_MS = 30 * 60_000
/** A container that does not answer for so long is given up. */
const SILENT_MS = 60_000
/** Who waits is woken; this is for a wake-up that was lost. */
const WAIT_MS = 20_000
const START_MS = 500
const IDLE_LOOK_MS = 20_000

/** What is done for a thread works with. */
export interface Tending {
  readonly jobs: Jobs
  readonly threads: Threads
  readonly settings: Settings
  readonly slots: DurableObjectStub<SlotsObject>
  readonly container: (threadId: string) => DurableObjectStub<ContainerObject>
  readonly ticket: (threadId: string) => string
  readonly issueThread: (job: Job) => Promise<IssueThread | undefined>
  readonly hear: (job: Job, event: RunEvent) => void
  /** What is said of a wait, where people see it. */
  readonly say: (job: Job, text: string) => void
  readonly log: Log
}

/**
 * Looks after one thread: gets it a slot, has its container started, hands its commands in, asks how they stand, and gives the container
 * up when nothing is to be done. Each call takes a step and answers when to come again, in ms since the epoch; `undefined` when there is
 * nothing more to do. Nothing waits long in here, because a newer message has to get through.
 */
export async function tend(thread: Thread, tending: Tending): Promise<number | undefined> {
  const { jobs } = tending
  const open = jobs.open(thread.threadId)
  const [first] = open
  if (first === undefined) return rest(thread, tending)
  if (thread.idleSince !== undefined) tending.threads.change(thread.threadId, { idleSince: undefined })
  if (!(await hasSlot(thread, first, tending))) return Date.now() + WAIT_MS
  const instance = await started(thread, first, tending)
  if (typeof instance === 'number' || instance === undefined) return instance
  await handIn(open, instance, thread, tending)
  await ask(thread, instance, tending)
  return Date.now() + (jobs.open(thread.threadId).length === 0 ? 0 : tending.settings.POLL_MS)
}

/** Nothing is to be done: the container stays for a while, unless somebody waits for its slot. */
async function rest(thread: Thread, { settings, slots, container, ticket, threads }: Tending): Promise<number | undefined> {
  const { threadId, held, parked } = thread
  if (!held) {
    await slots.release(ticket(threadId)) // it may have waited
    return undefined
  }
  const idleSince = thread.idleSince ?? Date.now()
  const until = idleSince + settings.SLEEP_AFTER_SECONDS * 1000
  const { wanted } = await slots.ask(ticket(threadId), true)
  if (!parked && !wanted && Date.now() < until) {
    threads.change(threadId, { idleSince })
    return Math.min(until, Date.now() + IDLE_LOOK_MS)
  }
  await container(threadId).stop()
  await slots.release(ticket(threadId))
  threads.change(threadId, { held: false, instance: undefined, lastEvent: undefined, idleSince: undefined })
  return undefined
}

async function hasSlot(thread: Thread, job: Job, { slots, ticket, threads, say }: Tending): Promise<boolean> {
  const { held, ahead } = await slots.ask(ticket(thread.threadId))
  if (held !== thread.held) threads.change(thread.threadId, { held })
  if (held) return true
  const said =
    ahead === 0 ? 'Waiting for a free container; it is the next one.' : `Waiting for a free container; ${ahead} ${ahead === 1 ? 'is' : 'are'} before it.`
  if (said !== thread.said) {
    threads.change(thread.threadId, { said })
    say(job, said)
  }
  return false
}

/** The container that answers; else when to come again. */
async function started(thread: Thread, first: Job, tending: Tending): Promise<string | number | undefined> {
  const { threads, settings, log } = tending
  const { threadId } = thread
  const box = tending.container(threadId)
  const issue = await tending.issueThread(first)
  if (issue === undefined) throw new Error(`nothing is known of the issue of ${threadId}`)
  const { owner, name } = issue.repository
  const standing = await box.ready({ owner, name })
  switch (standing.kind) {
    case 'ready':
      // Its service is there, and yet says nothing of its jobs that could be understood.
      if (standing.instance === thread.instance && thread.silentSince !== undefined && Date.now() - thread.silentSince > SILENT_MS) {
        await box.stop()
        return again(thread, `The container gave no answer that could be used for ${SILENT_MS / 1000} seconds.`, tending)
      }
      if (thread.starts > 0 || thread.fullSince !== undefined) threads.change(threadId, { starts: 0, fullSince: undefined })
      if (standing.instance !== thread.instance)
        threads.change(threadId, { instance: standing.instance, lastEvent: undefined, silentSince: undefined, said: undefined })
      return standing.instance
    case 'starting': {
      // One that has answered before does not answer any more; one that never did is too slow.
      const since = standing.instance === thread.instance ? (thread.silentSince ?? Date.now()) : standing.startedAt
      const patience = standing.instance === thread.instance ? SILENT_MS : settings.START_SECONDS * 1000
      if (standing.instance === thread.instance && thread.silentSince === undefined) threads.change(threadId, { silentSince: since })
      if (Date.now() - since < patience) return Date.now() + START_MS
      log.warn({ event: 'container.given_up', threadId, instance: standing.instance, waitedMs: Date.now() - since })
      await box.stop()
      return again(thread, `The container did not answer within ${Math.round(patience / 1000)} seconds.`, tending)
    }
    case 'failed':
      return again(thread, standing.why, tending)
    case 'full': {
      const since = thread.fullSince ?? Date.now()
      if (thread.fullSince === undefined) {
        threads.change(threadId, { fullSince: since })
        tending.say(first, 'The platform has no container free at the moment; it is tried again.')
      }
      if (Date.now() - since < FULL_MS) return Date.now() + 10_000
      fail(threadId, `No container could be had for ${FULL_MS / 60_000} minutes: ${standing.why}`, tending)
      return Date.now()
    }
  }
}

function again(thread: Thread, why: string, tending: Tending): number {
  const starts = thread.starts + 1
  tending.threads.change(thread.threadId, { starts: starts >= STARTS ? 0 : starts, silentSince: undefined })
  tending.log.warn({ event: 'container.again', threadId: thread.threadId, starts, why })
  if (starts < STARTS) return Date.now() + backOff(starts, 1000, 60_000)
  fail(thread.threadId, `No container could be started, ${STARTS} times: ${why}`, tending)
  return Date.now()
}

/** Everything that the thread waits for ends, and is answered. */
function fail(threadId: string, why: string, { jobs }: Tending): void {
  for (const job of jobs.open(threadId)) jobs.end(job, reportOf(job, 'workspace_failed', why), Date.now())
}
