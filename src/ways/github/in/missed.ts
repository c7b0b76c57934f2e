import type { Told } from '../../../journal/journal.ts'
import { messageOf } from '../../../observe/text.ts'
import type { GitHubApi } from '../api/api.ts'
import { GitHubRefused } from '../api/refusals.ts'
import type { Log } from '../desk.ts'
import { toldOf } from './door.ts'
import { readEvent, type GitHubEvent } from './event.ts'

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

/** Where webhooks are recorded. */
export interface MissedPlace {
  readonly api: GitHubApi
  /** Whether the delivery with this id is known; of the repository, where GitHub names one. */
  readonly knows: (id: string, repositoryId: number | bigint | undefined) => Promise<boolean>
  readonly put: (told: Told, event: GitHubEvent) => Promise<'done' | 'duplicate' | 'lost'>
  readonly log: Log
  /** Nothing more is to be begun. */
  readonly stopped: () => boolean
}

/**
 * Finds webhooks that did not arrive, while the service was down or could not be reached, in the delivery log of the app, and records them.
 *
 * @param since what came earlier has been looked at, in ms since the epoch
 * @returns the same for the next time
 * @throws GitHubBusy, GitHubRefused, NoAccess
 */
export async function findMissed(place: MissedPlace, since: number): Promise<number> {
  const began = Date.now()
  let all = true
  const missed = await unknownOf(place, since)
  // Oldest first, so that what belongs to one issue stays in order.
  for (const id of missed.toReversed()) {
    if (place.stopped()) return since
    all = (await fetchOne(id, place)) && all
  }
  return all ? began - OVERLAP_MS : since
}

/** Deliveries that arrived nowhere and that we do not know, newest first. */
async function unknownOf({ api, knows, stopped }: MissedPlace, since: number): Promise<readonly DeliveryId[]> {
  const [arrived, missed] = [new Set<string>(), new Map<string, DeliveryId>()]
  const now = Date.now()
  for (let page = 0, cursor: string | undefined; page < MAX_PAGES && !stopped(); page += 1) {
    const { data, headers }: Awaited<ReturnType<typeof pageAt>> = await pageAt(cursor, api)
    for (const { id, guid, status_code: code, delivered_at: at, repository_id: repository } of data) {
      const age = now - Date.parse(at)
      if (code >= 200 && code < 300) arrived.add(guid)
      else if (age < KEPT_MS && !(await knows(`github ${guid}`, repository ?? undefined))) missed.set(guid, id)
    }
    cursor = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(headers.link ?? '')?.[1]
    if (cursor === undefined || data.some(({ delivered_at: at }) => Date.parse(at) < since)) break
    cursor = decodeURIComponent(cursor)
    if (page === MAX_PAGES - 1) throw new Error(`there are more than ${MAX_PAGES * PER_PAGE} deliveries; what is older is not looked through`)
  }
  return [...missed].filter(([guid]) => !arrived.has(guid)).map(([, id]) => id)
}

const pageAt = async (cursor: string | undefined, api: GitHubApi) =>
  api.asApp('GET /app/hook/deliveries', { per_page: PER_PAGE, ...(cursor === undefined ? {} : { cursor }) })

/** Answers whether it need not be fetched once more. */
async function fetchOne(id: DeliveryId, { api, put, log }: MissedPlace): Promise<boolean> {
  try {
    const { data } = await api.asApp('GET /app/hook/deliveries/{delivery_id}', { delivery_id: exactly(id) })
    const event = readEvent(data.event, data.request.payload)
    if (event === undefined || (event.kind === 'message' && event.actor.isBot)) return true
    const answer = await put(toldOf(data.guid, { event }, Date.now()), event)
    if (answer !== 'done') return answer === 'duplicate'
    log.info({ event: 'github.found_missed', delivery: data.guid, name: data.event, answered: data.status_code })
    return true
  } catch (error) {
    if (error instanceof GitHubRefused && error.status === 404) return true // it is too old by now
    log.warn({ event: 'github.log_not_read', delivery: String(id), error: messageOf(error) })
    return false
  }
}
