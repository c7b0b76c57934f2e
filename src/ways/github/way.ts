import type { RunEvent } from '../../command/event.ts'
import type { ThreadRef } from '../../command/ids.ts'
import type { Delivery } from '../../journal/journal.ts'
import { failpoint } from '../../observe/failpoint.ts'
import { readApp } from './api/app.ts'
import { Room } from './in/body.ts'
import { readEvent } from './in/event.ts'
import { commandIdOf, threadIdFor } from './in/hand-in.ts'
import { workspaceOf } from './threads.ts'
import { deliver } from './out/deliver.ts'
import type { Desk } from './desk.ts'
import { receive, toldOf, type Answer, type Household, type Options } from './in/door.ts'
import { Intake } from './in/intake.ts'
import { Missed } from './in/missed.ts'
import type { Vault } from '../../vault/vault.ts'

/** Memory that webhooks may take together before their signature is checked, in bytes: ordinary ones, and those that are larger. */
const ROOM_FOR_ORDINARY_BYTES = 16 * 1024 * 1024
const ROOM_FOR_LARGE_BYTES = 32 * 1024 * 1024

/** Between two lines of the log about webhooks that nobody signed. */
const FORGED_MS = 60_000

/** The way by which GitHub's events become commands, and results go to issues and pull requests. */
export class GitHubWay implements AsyncDisposable {
  readonly #desk: Desk
  readonly #household: Household
  readonly #intake: Intake
  readonly #missed: Missed
  #toldAt = -Infinity

  constructor(desk: Desk, vault: Vault, { missedMs }: { readonly missedMs: number }) {
    this.#desk = desk
    this.#intake = new Intake(desk)
    this.#household = {
      secrets: async () => (await readApp(vault))?.webhookSecrets,
      record: (told) => desk.journal.inbox.put(told),
      rooms: { ordinary: new Room(ROOM_FOR_ORDINARY_BYTES), large: new Room(ROOM_FOR_LARGE_BYTES) },
    }
    this.#missed = new Missed(desk, () => this.#intake.ring(), missedMs)
  }

  async start(): Promise<void> {
    // What a former service was working on is shown as it goes on.
    for (const { way, command } of await this.#desk.journal.unfinished()) if (way === 'github') this.#desk.progress.begin(command)
    this.#intake.start()
    this.#missed.start()
  }

  /** Takes a webhook in. */
  async receive(request: Request): Promise<Answer> {
    const answer = await receive(request, this.#household)
    if (answer.status === 401) this.#tellForged(answer.message)
    if (answer.recorded !== true) return answer
    await failpoint('github.recorded')
    this.#intake.ring()
    return answer
  }

  /** Where the secret is a wrong one, all are refused; forged ones come in floods. */
  #tellForged(why: string): void {
    if (performance.now() - this.#toldAt < FORGED_MS) return
    this.#toldAt = performance.now()
    this.#desk.log.warn({ event: 'github.bad_signature', why })
  }

  /** An issue for which somebody else vouches than its signature; `undefined` where it is none. Nothing is recorded before `record`. */
  async vouched(payload: Readonly<Record<string, unknown>>, options: Options) {
    const event = readEvent('issues', { action: 'opened', ...payload })
    if (event?.kind !== 'message') return undefined
    const workspace = workspaceOf(event.repository, this.#desk.fixed)
    const known = await this.#desk.threads.ofNumber(workspace, event.repository, event.number)
    const record = async (): Promise<boolean> => {
      const id = `vouched ${commandIdOf(event)}`
      const told = toldOf(id, { event, vouched: options }, Date.now())
      const answer = await this.#desk.journal.inbox.put({ ...told, meaning: id }) // GitHub may have told of it, by somebody who may not ask
      this.#intake.ring()
      return answer !== 'lost'
    }
    return { workspace, commandId: commandIdOf(event), threadId: threadIdFor(event, known), record }
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
