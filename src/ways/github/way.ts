import type { Command } from '../../command/command.ts'
import type { RunEvent } from '../../command/event.ts'
import type { ThreadRef } from '../../command/ids.ts'
import type { Delivery, Told } from '../../journal/journal.ts'
import { failpoint } from '../../observe/failpoint.ts'
import { Looking } from '../../observe/looking.ts'
import { messageOf } from '../../observe/text.ts'
import { readApp } from './api/app.ts'
import { openRooms } from './in/body.ts'
import { deliver } from './out/deliver.ts'
import type { Desk } from './desk.ts'
import { receive, tellForged, type Answer, type Household, type Options } from './in/door.ts'
import { Intake } from './in/intake.ts'
import { findMissed } from './in/missed.ts'
import { issueIn, vouch, type Vouched } from './in/vouch.ts'
import type { Vault } from '../../vault/vault.ts'

interface GitHubWayOptions {
  /** How often the delivery log is looked through, in ms; 0: at the start alone. */
  readonly missedMs: number
  /** Commands of this way that a former service has left. */
  readonly unfinished: () => Promise<readonly Command[]>
}

/** The way by which GitHub's events become commands, and results go to issues and pull requests. */
export class GitHubWay implements AsyncDisposable {
  readonly #desk: Desk
  readonly #household: Household
  readonly #intake: Intake
  readonly #missed: Looking
  readonly #unfinished: GitHubWayOptions['unfinished']
  readonly #tellForged = tellForged()

  constructor(desk: Desk, vault: Vault, { missedMs, unfinished }: GitHubWayOptions) {
    this.#desk = desk
    this.#unfinished = unfinished
    this.#intake = new Intake(desk)
    this.#household = {
      secrets: async () => (await readApp(vault))?.webhookSecrets,
      record: (told) => desk.journal.inbox.put(told),
      rooms: openRooms(),
    }
    const { api, journal, log } = desk
    let since = 0
    const stopped = (): boolean => this.#missed.stopped
    const put = async (told: Told) => journal.inbox.put(told).finally(() => this.#intake.ring())
    this.#missed = new Looking(
      async () => {
        if (await api.hasApp()) since = await findMissed({ api, knows: (id) => journal.inbox.knows(id), put, log, stopped }, since)
      },
      missedMs,
      (error) => log.warn({ event: 'github.log_not_read', error: messageOf(error) }),
    )
  }

  async start(): Promise<void> {
    // What a former service was working on is shown as it goes on.
    for (const command of await this.#unfinished()) this.#desk.progress.begin(command)
    this.#intake.start()
    this.#missed.start()
  }

  /** Takes a webhook in. */
  async receive(request: Request): Promise<Answer> {
    const answer = await receive(request, this.#household)
    this.#tellForged(answer, this.#desk.log)
    if (answer.recorded !== true) return answer
    await failpoint('github.recorded')
    this.#intake.ring()
    return answer
  }

  /** An issue for which somebody else vouches than its signature; `undefined` where it is none. Nothing is recorded before `record`. */
  async vouched(payload: Readonly<Record<string, unknown>>, options: Options): Promise<Vouched | undefined> {
    const issue = issueIn(payload)
    if (issue === undefined) return undefined
    const vouched = await vouch(issue, options, this.#desk)
    return { ...vouched, record: () => vouched.record().finally(() => this.#intake.ring()) }
  }

  /** An app was set up. */
  appChanged(): void {
    this.#missed.ring()
  }

  deliver(delivery: Delivery): Promise<void> {
    return deliver(delivery, this.#desk)
  }

  hear(ref: ThreadRef, event: RunEvent): void {
    this.#desk.progress.hear(ref, event)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#missed[Symbol.asyncDispose]()
    await this.#intake[Symbol.asyncDispose]()
    await this.#desk.progress[Symbol.asyncDispose]()
  }
}
