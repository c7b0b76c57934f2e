import type { Told } from '../../../journal/journal.ts'
import type { Log } from '../desk.ts'
import { readBody, type Rooms } from './body.ts'
import { lineOf, meaningOf, readEvent, type GitHubEvent } from './event.ts'
import { isSigned } from './signature.ts'

/** GitHub's own limit of a payload. */
const MAX_BYTES = 25 * 1024 * 1024
/** GitHub itself gives up after ten seconds. */
const RECEIVE_MS = 10_000
/** An issue and its comment, with room to spare. */
const ORDINARY_BYTES = 512 * 1024
/** Between two lines of the log about webhooks that nobody signed. */
const FORGED_MS = 60_000

/** What stands behind the door. */
export interface Household {
  /** The secrets that sign webhooks; `undefined` where no app is set up. */
  readonly secrets: () => Promise<readonly string[] | undefined>
  /** Keeps what was told, durably, or knows it already. */
  readonly record: (told: Told, event: GitHubEvent) => Promise<'done' | 'duplicate' | 'lost'>
  readonly rooms: Rooms
}

export interface Answer {
  readonly status: 200 | 202 | 400 | 401 | 408 | 413 | 415 | 503
  readonly message: string
  /** There is something to deal with. */
  readonly recorded?: true
}

/** Tells of webhooks that nobody signed, now and then: where the secret is a wrong one, all are refused; forged ones come in floods. */
export function tellForged(): (answer: Answer, log: Log) => void {
  let toldAt = -Infinity
  return ({ status, message }, log) => {
    if (status !== 401 || Date.now() - toldAt < FORGED_MS) return
    toldAt = Date.now()
    log.warn({ event: 'github.bad_signature', why: message })
  }
}

/** What is kept of a delivery. */
export interface Content {
  readonly event: GitHubEvent
  /** Somebody who may do so has vouched for it, with these options: who sent it is not asked. */
  readonly vouched?: Options
}

/** What whoever vouches for an issue may say of its work, as a repository's settings may. */
export interface Options {
  readonly draft?: boolean | undefined
  readonly maxCostUsd?: number | undefined
}

export const toldOf = (id: string, content: Content, at: number): Told => ({
  id: `github ${id}`,
  meaning: meaningOf(content.event),
  line: lineOf(content.event),
  content: JSON.stringify(content),
  at,
})

/**
 * Takes a webhook in: its signature is checked over the raw bytes before anything in it is looked at, it is recorded durably, and then
 * answered. What it asks for is done later.
 */
export async function receive(request: Request, { secrets, record, rooms }: Household): Promise<Answer> {
  const [signature, id, name] = ['x-hub-signature-256', 'x-github-delivery', 'x-github-event'].map((header) => request.headers.get(header) ?? '')
  if (!/^sha256=[0-9a-f]{64}$/.test(signature ?? '')) return { status: 401, message: 'X-Hub-Signature-256: must be sha256= and 64 hex digits' }
  if (id === undefined || !/^[0-9a-zA-Z-]{8,64}$/.test(id)) return { status: 400, message: 'X-GitHub-Delivery: must be the id of the delivery' }
  if (name === undefined || !/^[a-z_]{1,60}$/.test(name)) return { status: 400, message: 'X-GitHub-Event: must be the name of an event' }
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') return { status: 415, message: 'Content-Type: must be application/json, as the webhook of the app is set' }
  if ((request.headers.get('content-encoding') ?? 'identity') !== 'identity') return { status: 415, message: 'Content-Encoding: nothing compressed is taken' }
  const known = await secrets()
  if (known === undefined) return { status: 503, message: 'No GitHub App is set up here' }

  // Without a length it is taken for a large one.
  const ordinary = Number(request.headers.get('content-length') ?? Infinity) <= ORDINARY_BYTES
  const body = await readBody(request, ordinary ? ORDINARY_BYTES : MAX_BYTES, RECEIVE_MS, ordinary ? rooms.ordinary : rooms.large)
  switch (body.kind) {
    case 'too large':
      return { status: 413, message: `body: must be at most ${MAX_BYTES / 1024 / 1024} MB` }
    case 'too slow':
      return { status: 408, message: `body: must arrive within ${RECEIVE_MS / 1000} s` }
    case 'no room':
      return { status: 503, message: 'Too much is being received; send it again' }
    case 'cut off':
      return { status: 400, message: 'body: is not as long as Content-Length says' }
    case 'whole':
      break
  }
  using whole = body
  if (!(await isSigned(whole.bytes, signature, known))) return { status: 401, message: 'X-Hub-Signature-256: is not of this body and our secret' }
  if (name === 'ping') return { status: 200, message: 'pong' }
  const payload = parsed(whole.bytes)
  if (payload === undefined) return { status: 400, message: 'body: is not JSON' }
  const event = readEvent(name, payload)
  if (event === undefined) return { status: 202, message: 'nothing to do for this event' }
  if (event.kind === 'message' && event.actor.isBot) return { status: 202, message: 'nothing is done for a bot' }
  const answer = await record(toldOf(id, { event }, Date.now()), event)
  if (answer === 'lost') return { status: 503, message: 'The service is being replaced; send it again' }
  return answer === 'done' ? { status: 202, message: 'recorded', recorded: true } : { status: 202, message: 'known already' }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes))
  } catch {
    return undefined // it says so
  }
}
