import type { WorkspaceId } from '../../../command/ids.ts'
import type { InboxEntry } from '../../../journal/journal.ts'
import { backOff } from '../../../observe/back-off.ts'
import { failpoint } from '../../../observe/failpoint.ts'
import { Looking } from '../../../observe/looking.ts'
import { messageOf } from '../../../observe/text.ts'
import { answerOnce } from '../out/comments.ts'
import type { Desk } from '../desk.ts'
import type { Content, Options } from './door.ts'
import type { Message } from './event.ts'
import { follow } from './follow.ts'
import { answerToOf, commandIdOf, handIn, headOf } from './hand-in.ts'
import { NotNow } from '../submit.ts'
import { GitHubBusy } from '../api/refusals.ts'
import { isForGood } from '../desk.ts'
import { BadSettings, readSettings, SETTINGS_PATH, type Settings, settingsOf } from './settings.ts'
import { markerOf, quietText } from '../text.ts'
import { workspaceOf, type IssueThread } from '../threads.ts'
import { isWanted } from './triggers.ts'
import { mayAsk } from './who.ts'

/** Issues that are dealt with at once: webhooks that come meanwhile are answered first. */
const AT_ONCE = 8
const LOOK_MS = 5000
const FIRST_RETRY_MS = 2000
const LONGEST_RETRY_MS = 10 * 60_000
/** As long as GitHub itself keeps a delivery; a full disk or an outage is over by then. */
const GIVE_UP_MS = 3 * 24 * 60 * 60_000

/**
 * Deals with what webhooks have told, in order for each issue, until each is done. It looks by itself from `start` on; whoever is woken for
 * each look, and has no time of its own between two, calls `look` instead.
 */
export class Intake implements AsyncDisposable {
  readonly #desk: Desk
  readonly #over: (noted: boolean) => void
  readonly #busy = new Map<string, Promise<void>>()
  readonly #looking = new Looking(
    () => this.look(),
    LOOK_MS,
    (error) => this.#desk.log.error({ event: 'github.inbox_failed', error: messageOf(error) }),
  )

  /** @param over hears when one was dealt with, and whether what became of it was recorded */
  constructor(desk: Desk, over?: (noted: boolean) => void) {
    this.#desk = desk
    this.#over = over ?? ((noted) => (noted ? this.ring() : undefined)) // there is room for another one
  }

  start(): void {
    this.#looking.start()
  }

  ring(): void {
    this.#looking.ring()
  }

  /** Whether this line is being dealt with, or has to wait because as many are as may be at once. */
  isHeldUp(line: string): boolean {
    return this.#busy.has(line) || this.#busy.size >= AT_ONCE
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking[Symbol.asyncDispose]()
    await Promise.all(this.#busy.values())
  }

  /** Begins with what is due, and does not wait for it. */
  async look(): Promise<void> {
    // Those that are being dealt with are due too.
    for (const entry of await this.#desk.journal.inbox.due(Date.now(), 2 * AT_ONCE))
      if (!this.isHeldUp(entry.line) && !this.#looking.stopped) this.#busy.set(entry.line, this.#dealWith(entry))
  }

  async #dealWith(entry: InboxEntry): Promise<void> {
    let noted = true
    try {
      await this.#deal(entry)
    } catch (error) {
      noted = false // the journal could not be written; a later look tries again
      this.#desk.log.error({ event: 'github.inbox_failed', error: messageOf(error) })
    } finally {
      this.#busy.delete(entry.line)
    }
    this.#over(noted)
  }

  async #deal(entry: InboxEntry): Promise<void> {
    const { inbox } = this.#desk.journal
    let allowed = false
    try {
      const content: Content = JSON.parse(entry.content)
      await dealWith(content, this.#desk, () => (allowed = true))
      await failpoint('github.dealt')
      await inbox.done(entry.n)
    } catch (error) {
      const why = messageOf(error)
      const hopeless = (await isForGood(error, this.#desk)) || Date.now() - entry.at > GIVE_UP_MS
      if (hopeless) {
        this.#desk.log.error({ event: 'github.given_up', delivery: entry.id, line: entry.meaning, error: why })
        await this.#desk.journal.bury({ at: Date.now(), reason: why, source: entry.id, body: entry.content })
        if (allowed) await sayGivenUp(entry, why, this.#desk)
        await inbox.drop(entry.n) // sent again, when its reason is gone, it is taken again
        return
      }
      const wait = backOff(entry.tries, FIRST_RETRY_MS, LONGEST_RETRY_MS)
      const until = error instanceof GitHubBusy ? error.until : undefined
      this.#desk.log.warn({ event: 'github.later', delivery: entry.id, tries: entry.tries + 1, error: why, ...(error instanceof NotNow ? {} : { err: error }) })
      await inbox.later(entry.n, Math.max(until ?? 0, Date.now() + wait))
    }
  }
}

/** @param allowed is called when it is for us, of somebody who may ask */
async function dealWith({ event, vouched }: Content, desk: Desk, allowed: () => void): Promise<void> {
  if (event.kind === 'message') return dealWithMessage(event, vouched, desk, allowed)
  await follow(event, workspaceOf(event.repository, desk.fixed), desk)
}

/** Whoever wrote hears of it, where that is possible. */
async function sayGivenUp({ content }: InboxEntry, why: string, desk: Desk): Promise<void> {
  const { event }: Content = JSON.parse(content)
  if (event.kind !== 'message' || event.actor.isBot) return
  const text = `This could not be begun: ${quietText(why, 500)}\n\nWhoever runs the service has to look; then comment again.`
  await answerOnce(desk.api, answerToOf(event), markerOf('answer', `given up ${commandIdOf(event)}`), text, 0).catch((error: unknown) =>
    desk.log.warn({ event: 'github.not_told', error: messageOf(error) }),
  )
}

/** Is it meant for us, and may whoever wrote it ask? Then it is handed in. */
async function dealWithMessage(message: Message, vouched: Options | undefined, desk: Desk, allowed: () => void): Promise<void> {
  const { repository, actor, number } = message
  const { owner, name } = repository
  if (actor.isBot && vouched === undefined) return
  const of = workspaceOf(repository, desk.fixed)
  const [{ settings, problem }, thread, { slug }] = await Promise.all([settingsOrProblem(message, desk), threadOf(message, of, desk), desk.api.itself()])
  const known = { thread: thread !== undefined, ownPull: thread !== undefined && thread.number !== number, slug }
  if (vouched === undefined && !isWanted(message, settings, known)) return
  if (vouched === undefined && !(await mayAsk(desk.api, { owner, name }, actor, settings.who))) {
    desk.log.info({ event: 'github.not_allowed', repository: `${owner}/${name}`, number, login: actor.login, who: settings.who })
    return
  }
  allowed()
  if (!(await desk.threads.isFor(of, repository))) {
    desk.log.warn({ event: 'github.other_repository', repository: `${owner}/${name}`, projectId: of.projectId })
    const text = 'Nothing was begun: here work is done for another repository of this name, or of this project. Whoever runs the service has to look.'
    return answerOnce(desk.api, answerToOf(message), markerOf('answer', commandIdOf(message)), text, 0)
  }
  if (problem !== undefined) {
    desk.log.warn({ event: 'github.bad_settings', repository: `${owner}/${name}`, problem })
    const text = `Nothing was begun: \`${SETTINGS_PATH}\` on the default branch cannot be used: ${quietText(problem, 2000)}\n\nMend it, then mention @${slug} in a comment.`
    return answerOnce(desk.api, answerToOf(message), markerOf('settings', `${message.by} ${message.answerTo.id}`), text, 0)
  }
  await handIn(message, { ...settings, ...defined(vouched) }, of, desk)
}

/** The thread that a message belongs to. A pull request may be ours before that could be noted: its branch tells. */
async function threadOf(message: Message, of: WorkspaceId, desk: Desk): Promise<IssueThread | undefined> {
  const { repository, number, onPull } = message
  const known = await desk.threads.ofNumber(of, repository, number)
  if (known !== undefined || !onPull) return known
  const proposing = (await desk.threads.all(of)).filter(({ pull }) => pull === undefined)
  const head = proposing.length === 0 ? undefined : await headOf(message, desk)
  const thread = proposing.find(({ threadId }) => head === `thread-${threadId}`)
  return thread && desk.threads.change(of, thread.threadId, ({ numbers }) => ({ numbers: [...numbers, number] }))
}

/** Where the settings are not valid the defaults decide who hears of it. */
async function settingsOrProblem({ repository }: Message, { api }: Desk): Promise<{ readonly settings: Settings; readonly problem?: string }> {
  try {
    return { settings: await settingsOf(repository, api) }
  } catch (error) {
    if (!(error instanceof BadSettings)) throw error
    return { settings: readSettings(undefined), problem: error.message }
  }
}

const defined = (options: Options = {}): Partial<Settings> => ({
  ...(options.draft === undefined ? {} : { draft: options.draft }),
  ...(options.maxCostUsd === undefined ? {} : { maxCostUsd: options.maxCostUsd }),
})
