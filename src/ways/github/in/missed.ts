import { Looking } from '../../../observe/looking.ts'
import { messageOf } from '../../../observe/text.ts'
import type { Desk } from '../desk.ts'
import { toldOf } from './door.ts'
import { readEvent } from './event.ts'
import { GitHubRefused } from '../api/refusals.ts'

/** GitHub keeps deliveries for three days. */
const KEPT_MS = 3 * 24 * 60 * 60_000
/** Clocks differ, and an entry appears when its delivery has ended. */
const OVERLAP_MS = 10 * 60_000
const PER_PAGE = 100
const MAX_PAGES = 200

/** GitHub's numbers outgrow what a number holds exactly. */
type DeliveryId = number | bigint

/** As it is written into a URL; the type of the description knows numbers alone. */
const exactly = (id: DeliveryId): number => String(id) as unknown as number // oxlint-disable-line typescript/no-unsafe-type-assertion -- it is put into the path as text

/** Finds webhooks that did not arrive, while the service was down or could not be reached, in the delivery log of the app. */
export class Missed implements AsyncDisposable {
  readonly #desk: Desk
  readonly #found: () => void
  readonly #looking: Looking
  /** What came earlier has been looked at. */
  #lookedUntil = 0

  constructor(desk: Desk, found: () => void, everyMs: number) {
    this.#desk = desk
    this.#found = found
    this.#looking = new Looking(
      () => this.#lookIfSetUp(),
      everyMs,
      (error) => desk.log.warn({ event: 'github.log_not_read', error: messageOf(error) }),
    )
  }

  start(): void {
    this.#looking.start()
  }

  ring(): void {
    this.#looking.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking[Symbol.asyncDispose]()
  }

  async #lookIfSetUp(): Promise<void> {
    if (await this.#desk.api.hasApp()) await this.#look()
  }

  async #look(): Promise<void> {
    const began = Date.now()
    let all = true
    const missed = await this.#unknown()
    // Oldest first, so that what belongs to one issue stays in order.
    for (const id of missed.toReversed()) {
      if (this.#looking.stopped) return
      all = (await this.#fetch(id)) && all
    }
    if (all) this.#lookedUntil = began - OVERLAP_MS
  }

  /** Deliveries that arrived nowhere and that we do not know, newest first. */
  async #unknown(): Promise<readonly DeliveryId[]> {
    const { journal } = this.#desk
    const [arrived, missed] = [new Set<string>(), new Map<string, DeliveryId>()]
    const now = Date.now()
    for (let page = 0, cursor: string | undefined; page < MAX_PAGES && !this.#looking.stopped; page += 1) {
      const { data, headers }: Awaited<ReturnType<Missed['page']>> = await this.page(cursor)
      for (const { id, guid, status_code: code, delivered_at: at } of data) {
        const age = now - Date.parse(at)
        if (code >= 200 && code < 300) arrived.add(guid)
        else if (age < KEPT_MS && !(await journal.inbox.knows(`github ${guid}`))) missed.set(guid, id)
      }
      cursor = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(headers.link ?? '')?.[1]
      if (cursor === undefined || data.some(({ delivered_at: at }) => Date.parse(at) < this.#lookedUntil)) break
      cursor = decodeURIComponent(cursor)
      if (page === MAX_PAGES - 1) throw new Error(`there are more than ${MAX_PAGES * PER_PAGE} deliveries; what is older is not looked through`)
    }
    return [...missed].filter(([guid]) => !arrived.has(guid)).map(([, id]) => id)
  }

  async page(cursor: string | undefined) {
    return this.#desk.api.asApp('GET /app/hook/deliveries', { per_page: PER_PAGE, ...(cursor === undefined ? {} : { cursor }) })
  }

  /** Answers whether it need not be fetched once more. */
  async #fetch(id: DeliveryId): Promise<boolean> {
    const { api, journal, log } = this.#desk
    try {
      const { data } = await api.asApp('GET /app/hook/deliveries/{delivery_id}', { delivery_id: exactly(id) })
      const event = readEvent(data.event, data.request.payload)
      if (event === undefined || (event.kind === 'message' && event.actor.isBot)) return true
      const answer = await journal.inbox.put(toldOf(data.guid, { event }, Date.now()))
      if (answer !== 'done') return answer === 'duplicate'
      log.info({ event: 'github.found_missed', delivery: data.guid, name: data.event, answered: data.status_code })
      this.#found()
      return true
    } catch (error) {
      if (error instanceof GitHubRefused && error.status === 404) return true // it is too old by now
      log.warn({ event: 'github.log_not_read', delivery: String(id), error: messageOf(error) })
      return false
    }
  }
}
