import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Host } from './refusals.ts'

export interface PreviewLink {
  /** Path and query, below the host of the preview. */
  readonly path: string
  /** ms since the epoch. */
  readonly expiresAt: number
}

interface Answer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: string
}

const ENTER = '/__branchline/enter'

/**
 * Who may see previews that everybody can reach: whoever has a link that the service has signed. It holds for one thread and for a
 * while; opened, it becomes a cookie of that thread's host, and the address is cleaned, so that it stands in no Referer.
 */
export class Access {
  readonly #key: Buffer
  readonly #secure: boolean
  /** The name of the cookie; where there is TLS browsers hold it to this very host. */
  readonly cookie: string

  /** @param secure previews are reached by https */
  constructor(key: Buffer, secure: boolean) {
    this.#key = key
    this.#secure = secure
    this.cookie = secure ? '__Host-branchline-preview' : 'branchline-preview'
  }

  link(label: string, lastsMs: number): PreviewLink {
    const expiresAt = Date.now() + lastsMs
    return { path: `${ENTER}?token=${expiresAt}.${this.#sign(label, expiresAt)}`, expiresAt }
  }

  /** Whether a request comes with the cookie of its host. */
  holds({ headers }: IncomingMessage, { label }: Host): boolean {
    const cookies = (headers.cookie ?? '').split(';').map((each) => each.trim())
    return cookies.some((each) => each.startsWith(`${this.cookie}=`) && this.#valid(label, each.slice(this.cookie.length + 1)))
  }

  /** What to answer where a request is not let through: the way in for who has a link, else a refusal. */
  enter(incoming: IncomingMessage, host: Host): Answer | undefined {
    const token = /^\/__branchline\/enter\?token=([\w.-]{1,200})$/.exec(incoming.url ?? '')?.[1]
    if (token !== undefined && this.#valid(host.label, token)) {
      const seconds = Math.floor((Number(token.split('.')[0]) - Date.now()) / 1000)
      // Partitioned: the console shows previews in a frame, where only such cookies are kept.
      const framed = this.#secure || LOCAL.test(host.name)
      const safe = framed ? '; Secure; SameSite=None; Partitioned' : '; SameSite=Lax'
      const cookie = `${this.cookie}=${token}; Path=/; HttpOnly; Max-Age=${seconds}${safe}`
      return { status: 303, headers: { ...UNSEEN, location: '/', 'set-cookie': cookie }, body: '' }
    }
    if (token === undefined && this.holds(incoming, host)) return undefined
    const why = token === undefined ? 'This preview is shown to whoever has a link to it.' : 'This link has expired, or is for another preview.'
    return { status: 403, headers: { ...UNSEEN, 'content-type': 'text/plain; charset=utf-8' }, body: `${why} Ask for a new one: POST …/preview/link\n` }
  }

  #valid(label: string | undefined, token: string): boolean {
    const [until = '', signature = ''] = token.split('.')
    if (label === undefined || !/^\d{1,15}$/.test(until) || Number(until) <= Date.now()) return false
    const [shown, right] = [Buffer.from(signature), Buffer.from(this.#sign(label, Number(until)))]
    return shown.length === right.length && timingSafeEqual(shown, right)
  }

  #sign(label: string, expiresAt: number): string {
    return createHmac('sha256', this.#key).update(`preview ${label} ${expiresAt}`).digest('base64url')
  }
}

/** Browsers take these for as safe as TLS. */
const LOCAL = /(?:^|\.)localhost(?::\d+)?$/

const UNSEEN = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }
