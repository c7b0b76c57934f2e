import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from '../../command/command.ts'
import { RunFailure } from '../../command/ending.ts'
import type { RunEvent } from '../../command/event.ts'
import { CommandId, threadKey, type ThreadKey, type ThreadRef } from '../../command/ids.ts'
import type { Job, JobReport, JobStanding } from '../../command/job.ts'
import type { Result } from '../../command/result.ts'
import { standing, threadChangedFiles, threadConflicts, threadSubjects } from '../../engine/inspect.ts'
import { pushBeside } from '../../engine/push.ts'
import { handOver, takeOver } from '../../engine/session.ts'
import { refOf, type CommandRecord } from '../../journal/journal.ts'
import { backOff } from '../../observe/back-off.ts'
import { messageOf } from '../../observe/text.ts'
import { outcome, recorded, type Desk } from './desk.ts'

/** How long a commit is tried to be pushed: what is not pushed is gone with the container. */
const PUSH_FOR_MS = 30 * 60_000
const LONGEST_RETRY_MS = 60_000
/** Reports that are kept for whoever asks once more. */
const KEPT = 50
const EVENTS_AT_ONCE = 500
/** Changed files that are told of. */
const FILES_TOLD = 5000
/** Events of a thread that are kept for whoever asks. */
const EVENTS_KEPT = 5000

type Place = Pick<Desk, 'engine' | 'tools' | 'waiting'>

interface UnderWay {
  readonly job: Job
  readonly ref: ThreadRef
  state: JobStanding['state']
  report: JobReport | undefined
}

/**
 * Carries out what a Worker hands in, for as long as this container is there: a command is carried out like any other, what it did is
 * pushed, and the report is kept until it is asked for. Handed in once more, a job that is under way stays as it is.
 */
export class Jobs implements AsyncDisposable {
  readonly #place: Place
  readonly #jobs = new Map<string, UnderWay>()
  readonly #events = new Map<ThreadKey, RunEvent[]>()
  readonly #following = new Set<Promise<void>>()
  readonly #stop = new AbortController()

  constructor(place: Place) {
    this.#place = place
  }

  /** Records a job, and answers when that is durable. @throws Problem where it is not accepted */
  async take(job: Job): Promise<void> {
    const { tools } = this.#place
    const { clientId, userId, projectId, threadId, commandId } = job.command
    const ref: ThreadRef = { clientId, userId, projectId, threadId }
    this.#listen(ref)
    if (job.session !== undefined) await takeOver(ref, job.session, tools)
    for (const each of job.before) await recorded(commandOf(each, 'queue'), this.#place)
    // What was to be there first is carried out first, and is not interrupted.
    const record = await recorded(commandOf(job.command, job.before.length > 0 ? 'queue' : job.command.delivery), this.#place)
    if (this.#jobs.has(commandId)) return
    const underWay: UnderWay = { job, ref, state: 'working', report: undefined }
    this.#jobs.set(commandId, underWay)
    for (const [id, { state }] of this.#jobs) if (this.#jobs.size > KEPT && state === 'ended') this.#jobs.delete(id)
    const following = this.#follow(underWay, record)
      .catch((error: unknown) => {
        this.#jobs.delete(commandId) // handed in once more it is followed again
        tools.log.error({ event: 'job.lost', commandId, error: messageOf(error) })
      })
      .finally(() => this.#following.delete(following))
    this.#following.add(following)
  }

  /** `undefined` where there is no such job here. @param after the last event that was heard of */
  standing(commandId: string, after: string | undefined): JobStanding | undefined {
    const found = this.#jobs.get(commandId)
    if (found === undefined) return undefined
    const all = this.#events.get(threadKey(found.ref)) ?? []
    const events = all.slice(all.findIndex(({ id }) => id === after) + 1).slice(0, EVENTS_AT_ONCE)
    return { commandId, state: found.state, events, ...(found.report === undefined ? {} : { report: found.report }) }
  }

  /** To be called when no more work is taken and what ran was saved: what was not pushed is, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#following)
    await Promise.all([...this.#jobs.values()].filter(({ state }) => state !== 'ended').map((underWay) => this.#pushLeft(underWay)))
  }

  async #pushLeft({ ref, job }: UnderWay): Promise<void> {
    const { tools } = this.#place
    const found = await standing(ref, tools)
    if (found?.tip === undefined || (await threadConflicts(found, job.conflicted)).length > 0) return
    await pushBeside(ref, found.tip, tools).catch((error: unknown) =>
      tools.log.error({ event: 'job.not_pushed', commandId: job.command.commandId, error: messageOf(error) }),
    )
  }

  #listen(ref: ThreadRef): void {
    if (this.#events.has(threadKey(ref))) return
    const kept: RunEvent[] = []
    this.#events.set(threadKey(ref), kept)
    this.#place.tools.events(ref).listen((event) => {
      kept.push(event)
      if (kept.length > EVENTS_KEPT) kept.splice(0, kept.length - EVENTS_KEPT)
    })
  }

  async #follow(underWay: UnderWay, record: CommandRecord): Promise<void> {
    const { ref, job } = underWay
    const { tools, waiting } = this.#place
    const { command } = record
    const answered = waiting.for(refOf(command), this.#stop.signal)
    const result = record.result ?? (await tools.journal.command(refOf(command)))?.result ?? (await answered)
    if (result === undefined) return // the service stops
    underWay.state = 'pushing'
    const before = await standing(ref, tools)
    const unresolved = before === undefined ? [] : await threadConflicts(before, [...new Set([...job.conflicted, ...(result.conflicts ?? [])])])
    const commit = result.commit ?? before?.tip
    const changed = commit !== undefined && commit !== before?.record.base
    const pushed = changed && unresolved.length === 0 ? await this.#push(ref, commit, command) : {}
    if (pushed === undefined) return // the service stops
    const [found, session] = [await standing(ref, tools), await handOver(ref, tools)]
    underWay.report = {
      result: 'pushed' in pushed && result.commit !== undefined ? { ...result, pushed: true } : result,
      ...pushed,
      files: found === undefined ? [] : (await threadChangedFiles(found)).slice(0, FILES_TOLD),
      subjects: found === undefined ? [] : [...(await threadSubjects(found))],
      unresolved: [...unresolved],
      ...(session === undefined ? {} : { session }),
    }
    underWay.state = 'ended'
  }

  async #push(ref: ThreadRef, commit: string, command: Command): Promise<Pick<JobReport, 'pushed' | 'push'> | undefined> {
    const { tools } = this.#place
    const stopping = this.#stop.signal
    const failed = (error: unknown): { readonly push: Result } => ({
      push: {
        sessionId: command.sessionId,
        commandId: `${command.commandId}-push`,
        timestamp: Date.now(),
        success: false,
        summary: 'Nothing was pushed',
        code: error instanceof RunFailure ? error.code : 'push_failed',
        error: tools.redact(messageOf(error)),
      },
    })
    const until = performance.now() + PUSH_FOR_MS
    for (let tries = 0; !stopping.aborted; tries += 1) {
      try {
        return (await pushBeside(ref, commit, tools)) ? { pushed: commit } : await this.#pushInTurn(ref, command)
      } catch (error) {
        if (stopping.aborted) return undefined
        if (error instanceof RunFailure || performance.now() > until) return failed(error)
        tools.log.warn({ event: 'job.push_again', commandId: command.commandId, tries: tries + 1, error: messageOf(error) })
        await delay(backOff(tries, tools.rules.retryBaseMs, LONGEST_RETRY_MS), undefined, { signal: stopping }).catch(() => {}) // it stops
      }
    }
    return undefined
  }

  /** Origin has other commits: ours are replayed on top of them, by a push like any other. */
  async #pushInTurn(ref: ThreadRef, { commandId, sessionId }: Command): Promise<Pick<JobReport, 'pushed' | 'push'>> {
    const { tools } = this.#place
    const id = CommandId.parse(`${commandId}-push`)
    const about = { ...ref, commandId: id, sessionId, timestamp: Date.now(), instruction: '', mode: 'execute' as const, attachments: [] }
    const result = await outcome({ ...about, type: 'push', delivery: 'queue' }, this.#stop.signal, { ...this.#place, stopping: this.#stop.signal })
    if (!result.success) return { push: result }
    const tip = (await standing(ref, tools))?.tip
    return tip === undefined ? {} : { pushed: tip }
  }
}

const commandOf = (command: Job['command'], delivery: Command['delivery']): Command => ({ ...command, delivery })
