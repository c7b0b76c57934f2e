import type { RunEvent } from '../../../src/command/event.ts'
import { backOff } from '../../../src/observe/back-off.ts'
import { messageOf } from '../../../src/observe/text.ts'
import type { Log } from '../../../src/ways/github/desk.ts'
import type { IssueThread } from '../../../src/ways/github/threads.ts'
import type { ContainerObject } from './container.ts'
import { give } from './give.ts'
import type { JobStore } from './job-store.ts'
import { poll } from './poll.ts'
import { reportOf } from './report.ts'
import type { Sessions } from './sessions.ts'
import type { Settings } from './settings.ts'
import type { SlotsObject } from './slots.ts'
import type { StoredJob } from './stored-job.ts'
import type { Thread, Threads } from './threads.ts'

/** Starts that may fail, one after the other, before the messages of a thread are answered. */
const STARTS = 5
/** How long the platform may have no container free before that is answered. */
const FULL_MS = 30 * 60_000
/** A container that gives no answer of use for so long is given up; one that was told to stop may take longer. */
const SILENT_MS = 60_000
const DRAIN_MS = 11 * 60_000
/** Who waits is woken; this is for a wake-up that was lost. */
const WAIT_MS = 20_000
const START_MS = 500
const FULL_LOOK_MS = 10_000
const IDLE_LOOK_MS = 20_000

/** What a step works with. */
export interface StepTools {
  readonly jobs: JobStore
  readonly sessions: Sessions
  readonly threads: Threads
  readonly settings: Settings
  readonly slots: DurableObjectStub<SlotsObject>
  readonly container: (threadId: string) => Pick<DurableObjectStub<ContainerObject>, 'ready' | 'fetch' | 'credential' | 'stop'>
  readonly ticket: (threadId: string) => string
  readonly issueThread: (job: StoredJob) => Promise<IssueThread | undefined>
  readonly hear: (job: StoredJob, event: RunEvent) => void
  /** What is said of a wait, where people see it. */
  readonly say: (job: StoredJob, text: string) => void
  readonly log: Log
}

/**
 * Takes one step for a thread: gets it a slot, has its container started, hands its commands in, asks how they stand, and gives the container
 * up when nothing is to be done. Answers when to come again, in ms since the epoch; `undefined` when there is nothing more to do.
 */
export async function takeStep(thread: Thread, tools: StepTools): Promise<number | undefined> {
  const { jobs, threads } = tools
  const { threadId } = thread
  const open = jobs.open(threadId)
  const [first] = open
  if (first === undefined) return rest(thread, tools)
  if (thread.idleSince !== undefined) threads.change(threadId, { idleSince: undefined })
  if (!(await hasSlot(thread, first, tools))) return Date.now() + WAIT_MS
  const container = await containerOf(thread, first, tools)
  if (typeof container === 'number') return container
  try {
    const took = container.draining || (await give(open, container.instance, thread, tools))
    await poll(thread, container.instance, tools)
    if (!took) throw new Error('it takes nothing in')
    if (thread.silentSince !== undefined) threads.change(threadId, { silentSince: undefined })
    if (!container.draining && (thread.starts > 0 || thread.fullSince !== undefined)) threads.change(threadId, { starts: 0, fullSince: undefined })
  } catch (error) {
    tools.log.warn({ event: 'container.silent', threadId, instance: container.instance, error: messageOf(error) })
    threads.change(threadId, { silentSince: thread.silentSince ?? Date.now() })
  }
  return Date.now() + (jobs.open(threadId).length === 0 ? 0 : tools.settings.POLL_MS)
}

/** Nothing is to be done: the container stays for a while, unless somebody waits for its slot. */
async function rest(thread: Thread, { settings, slots, container, ticket, threads }: StepTools): Promise<number | undefined> {
  const { threadId, parked } = thread
  const idleSince = thread.idleSince ?? Date.now()
  const until = idleSince + settings.SLEEP_AFTER_SECONDS * 1000
  const { held, wanted } = await slots.idle(ticket(threadId))
  if (held && !parked && !wanted && Date.now() < until) {
    threads.change(threadId, { idleSince })
    return Math.min(until, Date.now() + IDLE_LOOK_MS)
  }
  await container(threadId).stop()
  await slots.release(ticket(threadId))
  threads.change(threadId, { instance: undefined, lastEvent: undefined, idleSince: undefined, silentSince: undefined, starts: 0, fullSince: undefined })
  return undefined
}

async function hasSlot(thread: Thread, job: StoredJob, { slots, ticket, threads, say }: StepTools): Promise<boolean> {
  const { held, ahead } = await slots.ask(ticket(thread.threadId))
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
async function containerOf(thread: Thread, first: StoredJob, tools: StepTools): Promise<{ readonly instance: string; readonly draining: boolean } | number> {
  const { threads, settings, log } = tools
  const { threadId } = thread
  const container = tools.container(threadId)
  const issue = await tools.issueThread(first)
  if (issue === undefined) throw new Error(`nothing is known of the issue of ${threadId}`)
  const { owner, name } = issue.repository
  const state = await container.ready({ owner, name })
  switch (state.kind) {
    case 'failed':
      return again(thread, state.why, tools)
    case 'full':
      return wait(thread, first, state.why, tools)
    case 'ready':
    case 'draining':
    case 'starting': {
      const { instance, kind } = state
      const isKnown = instance === thread.instance
      // One that never answered is too slow; one that did does not answer any more.
      const [since, patience] = isKnown ? [thread.silentSince, kind === 'draining' ? DRAIN_MS : SILENT_MS] : [state.startedAt, settings.START_SECONDS * 1000]
      if ((isKnown || kind !== 'ready') && since !== undefined && Date.now() - since > patience) {
        log.warn({ event: 'container.given_up', threadId, instance, waitedMs: Date.now() - since })
        await container.stop()
        return again(thread, `The container gave no answer of use for ${Math.round(patience / 1000)} seconds.`, tools)
      }
      if (kind === 'starting') {
        if (isKnown && since === undefined) threads.change(threadId, { silentSince: Date.now() })
        return Date.now() + START_MS
      }
      if (kind === 'draining') threads.change(threadId, { moved: instance })
      if (!isKnown) threads.change(threadId, { instance, lastEvent: undefined, silentSince: undefined, said: undefined })
      return { instance, draining: kind === 'draining' }
    }
  }
}

function again(thread: Thread, why: string, tools: StepTools): number {
  const starts = thread.starts + 1
  tools.threads.change(thread.threadId, { starts, silentSince: undefined })
  tools.log.warn({ event: 'container.again', threadId: thread.threadId, starts, why })
  if (starts < STARTS) return Date.now() + backOff(starts, 1000, 60_000)
  return fail(thread.threadId, `No container could be started, ${STARTS} times: ${why}`, tools)
}

/** The platform has no container free. */
function wait({ threadId, fullSince = Date.now() }: Thread, first: StoredJob, why: string, tools: StepTools): number {
  tools.threads.change(threadId, { fullSince })
  tools.say(first, 'The platform has no container free at the moment; it is tried again.')
  if (Date.now() - fullSince < FULL_MS) return Date.now() + FULL_LOOK_MS
  return fail(threadId, `No container could be had for ${FULL_MS / 60_000} minutes: ${why}`, tools)
}

/** Everything that the thread waits for ends, and is answered. */
function fail(threadId: string, why: string, { jobs, threads }: StepTools): number {
  for (const job of jobs.open(threadId)) jobs.end(job, reportOf(job, 'workspace_failed', why), Date.now())
  threads.change(threadId, { starts: 0, fullSince: undefined })
  return Date.now()
}
