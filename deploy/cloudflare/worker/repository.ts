import { DurableObject } from 'cloudflare:workers'
import type { RunEvent } from '../../../src/command/event.ts'
import type { ThreadRef } from '../../../src/command/ids.ts'
import { githubUrl } from '../../../src/git/github-url.ts'
import type { Told } from '../../../src/journal/journal.ts'
import { backOff } from '../../../src/observe/back-off.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { oneAtATime } from '../../../src/process/one-at-a-time.ts'
import type { App } from '../../../src/ways/github/api/app.ts'
import { GitHubBusy } from '../../../src/ways/github/api/refusals.ts'
import type { Desk } from '../../../src/ways/github/desk.ts'
import type { Options } from '../../../src/ways/github/in/door.ts'
import type { Message } from '../../../src/ways/github/in/event.ts'
import { Intake } from '../../../src/ways/github/in/intake.ts'
import { vouch } from '../../../src/ways/github/in/vouch.ts'
import { deliver } from '../../../src/ways/github/out/deliver.ts'
import { Progress } from '../../../src/ways/github/out/progress.ts'
import { IssueThreads } from '../../../src/ways/github/threads.ts'
import { openDatabase } from './database.ts'
import { Deliveries } from './deliveries.ts'
import { JobStore } from './job-store.ts'
import { nameOf } from './name.ts'
import { RepositoryRecords } from './records.ts'
import { Sessions } from './sessions.ts'
import type { StoredJob } from './stored-job.ts'
import { takeStep, type StepTools } from './thread-step.ts'
import { Threads } from './threads.ts'
import { apiOf, complain, toolsOf, type Tools } from './tools.ts'
import { worksOf } from './works.ts'

const FIRST_RETRY_MS = 2000
const LONGEST_RETRY_MS = 10 * 60_000
/** As long as GitHub itself keeps a delivery. */
const GIVE_UP_MS = 3 * 24 * 60 * 60_000
/** A thread that was being looked at is looked at again after so long. */
const AGAIN_MS = 60_000
/** What is under way is looked at again after so long. */
const UNDER_WAY_MS = 15_000
/** Where the settings cannot be read. */
const MISCONFIGURED_MS = 60_000
const FORGET_MS = 60 * 60_000
/** How long it is believed which app we are. */
const APP_MS = 10_000

interface Household {
  readonly tools: Tools
  readonly desk: Desk
  readonly intake: Intake
  readonly step: StepTools
}

/**
 * One repository of GitHub: the durable way in and out. What webhooks have told is recorded here before they are answered; issues become
 * jobs, a container carries each out, and its result goes to the issue. Whatever is pending, an alarm is set. An alarm begins what is due
 * and does not wait for it, so that nothing slow keeps anything else waiting.
 */
export class RepositoryObject extends DurableObject<Env> {
  readonly #jobs: JobStore
  readonly #sessions: Sessions
  readonly #deliveries: Deliveries
  readonly #threads: Threads
  readonly #records: RepositoryRecords
  readonly #underWay = new Set<string>()
  #household: Household | undefined
  #app: { readonly app: App | undefined; readonly at: number } | undefined
  #forgotAt = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    nameOf(ctx) // kept from the first time on
    const db = openDatabase(ctx.storage)
    this.#sessions = new Sessions(db)
    this.#deliveries = new Deliveries(db)
    this.#jobs = new JobStore(db, this.#deliveries, this.#sessions)
    this.#threads = new Threads(db)
    this.#records = new RepositoryRecords(db, this.#jobs)
    this.#threads.wakeAll()
    void ctx.blockConcurrencyWhile(() => this.#arm())
  }

  /** Records what a webhook told. */
  async record(told: Told): Promise<'done' | 'duplicate' | 'lost'> {
    const answer = await this.#records.inbox.put(told)
    if (answer === 'done') await this.ring()
    return answer
  }

  async knows(id: string): Promise<boolean> {
    return this.#records.inbox.knows(id)
  }

  /** Records an issue for which somebody vouches. */
  async vouched(issue: Message, options: Options): Promise<{ readonly commandId: string; readonly threadId: string }> {
    const { commandId, threadId, record } = await vouch(issue, options, this.#begin().desk)
    await record()
    await this.ring()
    return { commandId, threadId }
  }

  /** Something may have changed, with a thread or with anything: it is looked at soon. */
  async ring(threadId?: string): Promise<void> {
    if (threadId !== undefined) this.#threads.wake(threadId)
    await this.ctx.storage.setAlarm(Date.now())
  }

  /** What is under way, for whoever runs the service. */
  async overview() {
    return {
      open: this.#jobs.everyOpen().map(({ command: { commandId, threadId, type }, state, attempt }) => ({ commandId, threadId, type, state, attempt })),
      threads: this.#threads.active(),
      inbox: this.#records.waiting(),
    }
  }

  /** A job, for whoever handed it in; `recorded` until GitHub was asked about its issue. */
  async job(commandId: string) {
    const found = this.#jobs.find(commandId)
    if (found !== undefined) return { state: found.state, attempt: found.attempt, threadId: found.command.threadId, result: found.result }
    const tries = this.#records.triesOf(commandId)
    return tries === undefined ? undefined : { state: 'recorded' as const, tries }
  }

  /** Where the events of a thread are: its workspace, as the container knows it. */
  async refOf(threadId: string): Promise<ThreadRef | undefined> {
    return this.#jobs
      .history(threadId, 1)
      .map(({ command: { clientId, userId, projectId, threadId: id } }) => ({ clientId, userId, projectId, threadId: id }))[0]
  }

  override async alarm(): Promise<void> {
    try {
      const { intake, step } = this.#begin()
      this.#run('inbox', () => intake.look())
      this.#run('outbox', () => this.#deliverDue())
      for (const { threadId } of this.#threads.due(Date.now())) this.#run(`thread ${threadId}`, () => this.#lookAt(threadId, step))
      this.#forget()
      await this.#arm()
    } catch (error) {
      // One that throws is gone after a few times (the platform's rule).
      complain(this.env, 'repository.failed', { object: 'repository', repository: nameOf(this.ctx) }, error)
      await this.ctx.storage.setAlarm(Date.now() + MISCONFIGURED_MS)
    }
  }

  /** Begins a piece of work, unless it is under way; it answers for its errors itself, and what is due after it is looked at then. */
  #run(name: string, work: () => Promise<void>): void {
    if (this.#underWay.has(name)) return
    this.#underWay.add(name)
    const over = async (): Promise<void> => {
      this.#underWay.delete(name)
      await this.#arm()
    }
    void work()
      .catch((error: unknown) => complain(this.env, 'repository.failed', { object: 'repository', repository: nameOf(this.ctx), work: name }, error))
      .then(over)
  }

  async #lookAt(threadId: string, step: StepTools): Promise<void> {
    const thread = this.#threads.find(threadId)
    if (thread === undefined) return
    this.#threads.begin(threadId, Date.now() + AGAIN_MS)
    let next: number | undefined = Date.now() + 5000
    try {
      next = await takeStep(thread, step)
    } catch (error) {
      step.log.error({ event: 'thread.failed', threadId, error: messageOf(error) })
    }
    this.#threads.settle(threadId, next)
  }

  async #deliverDue(): Promise<void> {
    const { desk, tools } = this.#begin()
    for (let due = this.#deliveries.due(Date.now()); due.length > 0; due = this.#deliveries.due(Date.now()))
      await Promise.all(
        due.map(async ({ n, tries, at, commandId, read }) => {
          try {
            await deliver(read(), desk)
            this.#deliveries.sent(n)
          } catch (error) {
            const until = error instanceof GitHubBusy ? (error.until ?? 0) : 0
            const old = Date.now() - at > GIVE_UP_MS
            tools.log[old ? 'error' : 'warn']({ event: old ? 'result.given_up' : 'result.later', commandId, tries: tries + 1, error: messageOf(error) })
            if (old) this.#deliveries.sent(n)
            else this.#deliveries.refused(n, Math.max(until, Date.now() + backOff(tries, FIRST_RETRY_MS, LONGEST_RETRY_MS)))
          }
        }),
      )
  }

  #forget(): void {
    if (Date.now() - this.#forgotAt < FORGET_MS) return
    this.#forgotAt = Date.now()
    for (const kept of [this.#records, this.#jobs, this.#sessions]) kept.forget()
  }

  /** Set as long as anything is pending, and no longer; an earlier one stays. */
  async #arm(): Promise<void> {
    // What is under way is looked at when that is over; later too, should this object end meanwhile.
    const when = (at: number, isUnderWay: boolean): number => Math.max(at, Date.now() + (isUnderWay ? UNDER_WAY_MS : 0))
    const delivery = this.#deliveries.dueAt()
    const due = [
      ...this.#records.lines().map(({ line, dueAt }) => when(dueAt, this.#household?.intake.isHeldUp(line) === true)),
      ...this.#threads.active().map(({ threadId, nextAt }) => when(nextAt, this.#underWay.has(`thread ${threadId}`))),
      ...(delivery === undefined ? [] : [when(delivery, this.#underWay.has('outbox'))]),
    ]
    if (due.length === 0) return this.ctx.storage.deleteAlarm()
    const [next, set] = [Math.min(...due), await this.ctx.storage.getAlarm()]
    if (set === null || next < set) await this.ctx.storage.setAlarm(next)
  }

  #begin = (): Household => (this.#household ??= this.#assemble())

  #assemble(): Household {
    const id = nameOf(this.ctx)
    const tools = toolsOf(this.env, { object: 'repository', repository: id })
    const { settings, log } = tools
    const once = oneAtATime()
    const webUrl = githubUrl(settings.GITHUB_API_URL)
    const api = apiOf(tools, async () => this.#itself())
    const issues = new IssueThreads(this.#records.memos, once)
    const progress = new Progress({
      api,
      threads: issues,
      webUrl,
      simulated: settings.SIMULATION,
      tell: () => {},
      once,
      log,
      everyMs: settings.PROGRESS_SECONDS * 1000,
    })
    for (const { command } of this.#jobs.everyOpen()) progress.begin(command)
    const ticket = (threadId: string): string => `${id}/${threadId}`
    const container: StepTools['container'] = (threadId) => this.env.CONTAINER.getByName(ticket(threadId))
    const works = worksOf({ api, jobs: this.#jobs, threads: this.#threads, container, arm: () => this.#arm() })
    const desk: Desk = {
      api,
      journal: this.#records,
      threads: issues,
      progress,
      works: () => works,
      fixed: { clientId: undefined, userId: undefined, projectId: undefined },
      repositoryUrl: ({ owner, name }) => `${webUrl}/${owner}/${name}.git`,
      maxCostUsd: settings.MAX_COST_USD,
      pictureUrl: undefined,
      log,
    }
    const note = ({ command }: StoredJob, text: string): RunEvent => ({ id: '0.0', at: Date.now(), threadId: command.threadId, type: 'progress', text })
    const step: StepTools = {
      jobs: this.#jobs,
      sessions: this.#sessions,
      threads: this.#threads,
      settings,
      slots: this.env.SLOTS.getByName('slots'),
      container,
      ticket,
      issueThread: ({ command }) => issues.get(command, command.threadId),
      hear: ({ command }, event) => progress.hear(command, event),
      say: (job, text) => progress.hear(job.command, note(job, text)),
      log,
    }
    const over = (noted: boolean): void => void (noted ? this.#arm() : this.ctx.storage.setAlarm(Date.now() + UNDER_WAY_MS))
    return { tools, desk, intake: new Intake(desk, over), step }
  }

  async #itself(): Promise<App | undefined> {
    if (this.#app === undefined || this.#app.at < Date.now() - APP_MS) {
      const app = await this.env.GITHUB_APP.getByName('app').app()
      this.#app = { app, at: Date.now() }
      const { secrets } = this.#begin().tools
      for (const value of app === undefined ? [] : [app.privateKey, ...app.webhookSecrets]) secrets.keep(value)
    }
    return this.#app.app
  }
}
