import { failpoint } from '../observe/failpoint.ts'
import { RunFailure, type Ending } from '../command/ending.ts'
import { CommandId } from '../command/ids.ts'
import type { Code, Result } from '../command/result.ts'
import { Fenced, refOf, type CommandRecord } from '../journal/journal.ts'
import { carryOut } from './carry-out.ts'
import { headStart } from './head-start.ts'
import { prepareThread } from './prepare.ts'
import { siteOf } from './preview.ts'
import type { Thread } from './thread.ts'
import { messageOf } from '../observe/text.ts'
import { endingOf, Unfinished } from './reasons.ts'
import { resultOf } from './result.ts'
import { save, type Saved } from './save.ts'
import { measure, secondsSince } from '../observe/measure.ts'
import type { Tools } from './tools.ts'

/** How a run left its command: with its result, or queued again. */
export type Ran =
  /** `steered`: what had been steered into it, ended with it or queued. */
  | { readonly kind: 'ended'; readonly result: Result; readonly steered: readonly CommandRecord[]; readonly subject?: string }
  | { readonly kind: 'again'; readonly inMs: number; readonly why: string; readonly saved?: Saved }

/**
 * The whole life of one run, top to bottom.
 *
 * `stop` ends the work early; its reason says why (Interrupted, ShuttingDown). It never ends the saving: what was written
 * so far is committed, whatever happened.
 *
 * @throws Fenced where another service has taken over; Unfinished, and errors of the journal, after which recovery goes on from the record
 */
export async function runCommand(run: CommandRecord, tools: Tools, stop: AbortSignal): Promise<Ran> {
  const began = performance.now()
  const head = await headStart(run, tools, stop)
  const thread = await prepare(run, tools, stop)
  if ('kind' in thread) {
    head?.stop(stop.aborted ? stop.reason : new RunFailure('workspace_failed', 'the thread could not be made ready'))
    await head?.ending.catch(() => {}) // the thread itself could not be made ready, which is what counts
    return conclude(run, thread, NOTHING, undefined, tools)
  }
  measure('thread_switch_seconds', secondsSince(began), {})
  await failpoint('run.prepared')
  tools.events(run.command).append({ type: 'workspace.ready', branch: thread.home.branch, commandId: run.command.commandId })
  const ending = await carryOut(run, thread, tools, stop, head)
  await failpoint('run.carried_out')
  if (ending.kind === 'failed' && ending.wedged === true) return conclude(run, ending, NOTHING, thread, tools)
  const saved = await save(run, ending, thread, tools).catch((error: unknown) => notSaved(error, tools))
  return saved.kind === 'failed' ? conclude(run, saved, NOTHING, thread, tools) : conclude(run, ending, saved, thread, tools)
}

/**
 * What it means that a run could not be saved. The files are still in the work tree and go into the next commit of the thread.
 *
 * @throws Fenced and Unfinished, which are nobody's result
 */
export async function notSaved(error: unknown, { room, log }: Tools): Promise<Extract<Ending, { kind: 'failed' }>> {
  if (error instanceof Fenced || error instanceof Unfinished) throw error
  log.error({ event: 'save.failed', err: error })
  if (error instanceof RunFailure) return { kind: 'failed', code: error.code, error: error.message, mayPass: error.mayPass }
  const full = await room.isFull()
  const why = full ? 'The disk is full, so what was done could not be committed' : `What was done could not be committed: ${messageOf(error)}`
  return {
    kind: 'failed',
    code: full ? 'disk_full' : 'workspace_failed',
    error: `${why}. The files are still in the work tree and go into the next commit.`,
    mayPass: false,
  }
}

const NOTHING: Saved = { kind: 'nothing', skipped: [] }

/** Failing to prepare, and being stopped while preparing, are endings too. */
async function prepare({ command }: CommandRecord, tools: Tools, stop: AbortSignal): Promise<Thread | Ending> {
  try {
    return await prepareThread(command, { repoUrl: command.repoUrl, startFrom: command.context?.branch }, tools, stop)
  } catch (error) {
    return endingOf(stop.aborted ? stop.reason : error)
  }
}

/** Ends the command with its result, or hands it back to the queue: after a shutdown, or where another attempt may help. */
export async function conclude(run: CommandRecord, ending: Ending, saved: Saved, thread: Thread | undefined, tools: Tools): Promise<Ran> {
  const [of, at] = [refOf(run.command), Date.now()]
  const commit = saved.kind === 'committed' ? saved.commit : run.note?.commit
  if (ending.kind === 'shutdown') {
    await tools.journal.requeue(of, { counted: false, crashed: false, note: { reason: 'shutdown', commit }, at })
    await failpoint('run.requeued')
    return { kind: 'again', saved, inMs: 0, why: 'The service is stopping; the message is kept and goes on at its next start.' }
  }
  const waits = ending.kind === 'failed' && ending.limitedUntil !== undefined ? limitOf(run, ending, tools) : undefined
  if (waits !== undefined && waits.kind !== 'failed') {
    await tools.journal.requeue(of, { counted: false, crashed: false, note: { reason: 'limit', commit, until: waits.until }, at })
    return { kind: 'again', saved, inMs: Math.max(0, waits.until - at), why: `${whoLimits(waits.code)} before ${new Date(waits.until).toISOString()}.` }
  }
  if (ending.kind === 'failed' && ending.mayPass && run.attempt < tools.rules.attempts) {
    await tools.journal.requeue(of, { counted: true, crashed: false, note: { reason: 'failure', commit }, at })
    return { kind: 'again', saved, inMs: tools.rules.retryBaseMs * 2 ** (run.attempt - 1), why: ending.error }
  }
  const { used } = await tools.journal.spent(of, '')
  const about = {
    branch: thread?.home.branch,
    agentSessionId: thread?.record.sessionId,
    simulated: tools.simulated,
    at,
    used,
    previewUrl: await previewOf(run, thread, tools),
  }
  const [heir, heirOfUnread] = await heirsOf(run, ending, tools)
  const result: Result = JSON.parse(tools.redact(JSON.stringify(resultOf(run, waits ?? ending, saved, { ...about, heir }))))
  const restores = ending.kind === 'completed' ? ending.restores : undefined
  const givenUp = ending.kind === 'recovered' || (ending.kind === 'failed' && ending.mayPass) ? result.error : undefined
  const ended = await tools.journal.end(of, result, { heir, read: readBy(run, ending, tools), heirOfUnread, restores, givenUp })
  if (ended.outcome === 'lost') throw new Fenced()
  if (givenUp !== undefined) measure('dead_letters_total', 1, { why: 'given_up' })
  await failpoint('run.ended')
  return { kind: 'ended', result, steered: ended.steered, ...(saved.kind === 'committed' ? { subject: saved.subject } : {}) }
}

/** Where what a command did can be seen, in a thread that has something to show. */
async function previewOf({ command }: CommandRecord, thread: Thread | undefined, tools: Tools): Promise<string | undefined> {
  if (thread === undefined || command.type === 'push' || (await siteOf(thread.home.paths, tools)) === undefined) return undefined
  return tools.preview.urlOf(thread.ref)
}

/**
 * Which of the messages that were steered into a run were read there: by this service, or as the record of its commit has it. After a
 * crash without a commit nobody knows: none where it was interrupted, so that they go on, and else all, which end with it.
 */
function readBy(run: CommandRecord, ending: Ending, { steered }: Tools): readonly CommandId[] | undefined {
  return steered.read(refOf(run.command)) ?? run.saving?.read ?? (ending.kind === 'interrupted' ? [] : undefined)
}

const whoLimits = (code: Code): string => (code === 'rate_limited' ? 'The model takes no requests' : 'Origin gives no access')

/** Until when a command waits for a model that takes no requests, or how it ends where that is too long. */
function limitOf(
  run: CommandRecord,
  { code, limitedUntil: until = 0 }: Extract<Ending, { kind: 'failed' }>,
  { rules }: Tools,
): { kind: 'waits'; until: number; code: Code } | Extract<Ending, { kind: 'failed' }> {
  if (run.command.onRateLimit !== 'fail' && until - run.acceptedAt <= rules.limitWaitMs) return { kind: 'waits', until, code }
  const error = `${whoLimits(code)} before ${new Date(until).toISOString()} (its rate limit); what was done is committed.`
  return { kind: 'failed', code, error, mayPass: false }
}

/**
 * The message of the same thread that interrupted this one takes along what the agent has not heard: this message, where it was
 * interrupted before, and what was steered into it and not read.
 */
async function heirsOf({ command }: CommandRecord, ending: Ending, { journal }: Tools): Promise<readonly [CommandId | undefined, CommandId | undefined]> {
  if (ending.kind !== 'interrupted' || command.type !== 'edit' || ending.by === undefined) return [undefined, undefined]
  const by = CommandId.safeParse(ending.by).data
  const heir = by === undefined ? undefined : await journal.command({ workspace: command, commandId: by })
  const theirs = heir !== undefined && heir.command.threadId === command.threadId && heir.command.type === 'edit' && heir.command.mode === command.mode
  return theirs ? [ending.heard === true ? undefined : by, by] : [undefined, undefined]
}
