import { DurableObject } from 'cloudflare:workers'
import type { RunEvent } from '../../../src/command/event.ts'
import type { ThreadRef } from '../../../src/command/ids.ts'
import { githubUrl } from '../../../src/git/github-url.ts'
import type { Told } from '../../../src/journal/journal.ts'
import { backOff } from '../../../src/observe/back-off.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { oneAtATime } from '../../../src/process/one-at-a-time.ts'
import { GitHubApi } from '../../../src/ways/github/api/api.ts'
import type { App } from '../../../src/ways/github/api/app.ts'
import { GitHubBusy } from '../../../src/ways/github/api/refusals.ts'
import type { Desk } from '../../../src/ways/github/desk.ts'
import type { Options } from '../../../src/ways/github/in/door.ts'
import { Intake } from '../../../src/ways/github/in/intake.ts'
import { issueIn, vouch } from '../../../src/ways/github/in/vouch.ts'
import { deliver } from '../../../src/ways/github/out/deliver.ts'
import { Progress } from '../../../src/ways/github/out/progress.ts'
import { IssueThreads } from '../../../src/ways/github/threads.ts'
import { openDatabase } from './database.ts'
import { Jobs, type Job } from './jobs.ts'
import { nameOf } from './name.ts'
import { RepositoryRecords } from './records.ts'
import { toolsOf, type Tools } from './tools.ts'
import { tend, type Tending } from './tending.ts'
import { Threads } from './threads.ts'
import { worksOf } from './works.ts'

const FIRST_RETRY_MS = 2000
const LONGEST_RETRY_MS = 10 * 60_000
/** As long as GitHub itself keeps a delivery. */
const GIVE_UP_MS = 3 * 24 * 60 * 60_000
/** A thread that was being looked after is looked at again after so long. */
const AGAIN_MS = 60_000
/** How long it is believed which app we are. */
const APP_MS = 10_000

interface Household {
  readonly tools: Tools
  readonly desk: Desk
  readonly intake: Intake
  readonly tending: Tending
}

/**
 * One repository of GitHub: the durable way in and out. What webhooks have told is recorded here before they are answered; issues become
 * jobs, a container carries each out, and its result goes to the issue. Whatever is pending, an alarm is set.
 */
export class RepositoryObject extends DurableObject<Env> {
  readonly #jobs: Jobs
  readonly #threads: Threads
  readonly #records: RepositoryRecords
  #household: Household | undefined
  #app: { readonly app: App | undefined; readonly at: number } | undefined

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    nameOf(ctx) // kept from the first time on
    const db = openDatabase(ctx.storage)
    this.#jobs = new Jobs(db)
    this.#threads = new Threads(db)
    this.#records = new RepositoryRecords(db, this.#jobs)
    this.#threads.wakeAll() // what was being looked after when the object before this one ended
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

  /** Records an issue for which somebody vouches; `undefined` where the payload holds none. */
  async vouched(payload: Readonly<Record<string, unknown>>, options: Options): Promise<{ readonly commandId: string; readonly threadId: string } | undefined> {
    const issue = issueIn(payload)
    if (issue === undefined) return undefined
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
  async standing() {
    return {
      open: this.#jobs.everyOpen().map(({ command: { commandId, threadId, type }, state, attempt }) => ({ commandId, threadId, type, state, attempt })),
      threads: this.#threads.active(),
    }
  }

  /** A job, for whoever handed it in. */
  async job(commandId: string) {
    const found = this.#jobs.find(commandId)
    return found === undefined ? undefined : { state: found.state, attempt: found.attempt, threadId: found.command.threadId, result: found.result }
  }

  /** Where the events of a thread are: its workspace, as the container knows it. */
  async refOf(threadId: string): Promise<ThreadRef | undefined> {
    return this.#jobs
      .history(threadId, 1)
      .map(({ command: { clientId, userId, projectId, threadId: id } }) => ({ clientId, userId, projectId, threadId: id }))[0]
  }

  override async alarm(): Promise<void> {
    try {
      await this.#pass()
    } catch (error) {
      // One that throws is gone after a few times (the platform's rule); the next one comes in any case.
      console.error(JSON.stringify({ level: 'error', event: 'repository.failed', repository: nameOf(this.ctx), error: messageOf(error) })) // oxlint-disable-line no-console -- where settings cannot be read there is no log
      await this.ctx.storage.setAlarm(Date.now() + LONGEST_RETRY_MS / 20)
    } finally {
      await this.#arm()
    }
  }

  /** Everything that is due, side by side. */
  async #pass(): Promise<void> {
    const { intake, tending } = this.#begin()
    const now = Date.now()
    const due = this.#threads.due(now)
    await Promise.all([intake.drain(), this.#deliverDue(), ...due.map(async ({ threadId }) => this.#tend(threadId, tending))])
    await this.#deliverDue()
    this.#records.forget()
    this.#jobs.forget()
  }

  async #tend(threadId: string, tending: Tending): Promise<void> {
    const thread = this.#threads.find(threadId)
    if (thread === undefined) return
    this.#threads.next(threadId, Date.now() + AGAIN_MS) // should this object end here
    let next: number | undefined
    try {
      next = await tend(thread, tending)
    } catch (error) {
      next = Date.now() + 5000
      tending.log.error({ event: 'thread.failed', threadId, error: messageOf(error) })
    }
    if (!this.#isWoken(threadId)) this.#threads.next(threadId, next) // what woke it meanwhile is not overwritten
  }

  #isWoken = (threadId: string): boolean => this.#threads.due(Date.now()).some((each) => each.threadId === threadId)

  async #deliverDue(): Promise<void> {
    const { desk, tools } = this.#begin()
    await Promise.all(
      this.#jobs.due(Date.now()).map(async (delivery) => {
        try {
          await deliver(delivery, desk)
          this.#jobs.sent(delivery.n)
        } catch (error) {
          const until = error instanceof GitHubBusy ? (error.until ?? 0) : 0
          const old = Date.now() - delivery.result.timestamp > GIVE_UP_MS
          tools.log[old ? 'error' : 'warn']({
            event: old ? 'result.given_up' : 'result.later',
            commandId: delivery.result.commandId,
            tries: delivery.tries + 1,
            error: messageOf(error),
          })
          if (old) this.#jobs.sent(delivery.n)
          else this.#jobs.refused(delivery.n, Math.max(until, Date.now() + backOff(delivery.tries, FIRST_RETRY_MS, LONGEST_RETRY_MS)))
        }
      }),
    )
  }

  /** Set as long as anything is pending; an earlier one stays. */
  async #arm(): Promise<void> {
    const due = [this.#records.dueAt(), this.#jobs.dueAt(), this.#threads.dueAt()].filter((at) => at !== undefined)
    if (due.length === 0) return
    const [next, set] = [Math.max(Math.min(...due), Date.now()), await this.ctx.storage.getAlarm()]
    if (set === null || next < set) await this.ctx.storage.setAlarm(next)
  }

  #begin = (): Household => (this.#household ??= this.#assemble())

  #assemble(): Household {
    const id = nameOf(this.ctx)
    const tools = toolsOf(this.env, { object: 'repository', repository: id })
    const { settings, log, hidden } = tools
    const once = oneAtATime()
    const webUrl = githubUrl(settings.GITHUB_API_URL)
    const api = new GitHubApi({
      apiUrl: settings.GITHUB_API_URL,
      app: async () => this.#itself(),
      token: undefined,
      keepToken: (value) => hidden.keep(value),
      stop: new AbortController().signal,
    })
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
    const works = worksOf({ api, jobs: this.#jobs, threads: this.#threads, container: (threadId) => tending.container(threadId), arm: () => this.#arm() })
    const ticket = (threadId: string): string => `${id}/${threadId}`
    const note = (job: Job, text: string): RunEvent => ({ id: '0.0', at: Date.now(), threadId: job.command.threadId, type: 'progress', text })
    const tending: Tending = {
      jobs: this.#jobs,
      threads: this.#threads,
      settings,
      slots: this.env.SLOTS.getByName('slots'),
      container: (threadId) => this.env.CONTAINER.getByName(ticket(threadId)),
      ticket,
      issueThread: (job) => issues.get(job.command, job.command.threadId),
      hear: (job, event) => progress.hear(job.command, event),
      say: (job, text) => progress.hear(job.command, note(job, text)),
      log,
    }
    return { tools, desk, intake: new Intake(desk), tending }
  }

  async #itself(): Promise<App | undefined> {
    if (this.#app === undefined || this.#app.at < Date.now() - APP_MS) {
      const app = await this.env.GITHUB_APP.getByName('app').app()
      this.#app = { app, at: Date.now() }
      const { hidden } = this.#begin().tools
      for (const value of app === undefined ? [] : [app.privateKey, ...app.webhookSecrets]) hidden.keep(value)
    }
    return this.#app.app
  }
}
