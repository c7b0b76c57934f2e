import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/** They are of one connection alone (RFC 9110, 7.6.1). */
const OF_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** What a caller says of where it comes from is not passed on; the gateway says it. */
const OF_PROXIES = /^(forwarded|via|x-forwarded-.*|x-real-ip)$/

interface Upstream {
  /** The host that was asked for, with its port. */
  readonly host: string
  readonly port: number
  /** The gateway's own cookie, which the site does not see. */
  readonly own: string | undefined
}

/** Headers of a request on its way to a dev server. */
export function forwarded({ rawHeaders, headers, socket }: IncomingMessage, { host, port, own }: Upstream): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {}
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  const raw = withoutOwnCookie(rawHeaders, own)
  for (let at = 0; at < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at]?.toLowerCase(), raw[at + 1]]
    if (OF_CONNECTION.has(name) || OF_PROXIES.test(name) || named.has(name)) continue
    const known = passed[name]
    passed[name] = known === undefined ? value : [known, value].flat().map(String)
  }
  if (headers['transfer-encoding'] !== undefined) passed['transfer-encoding'] = 'chunked'
  passed['host'] = upstreamHost(host, port)
  passed['x-forwarded-for'] = socket.remoteAddress ?? ''
  passed['x-forwarded-host'] = host
  return passed
}

/** Dev servers know `*.localhost` by themselves; under any other name they are asked for by their own. */
const upstreamHost = (host: string, port: number): string => (/(^|\.)localhost(:\d+)?$/.test(host) ? host : `localhost:${port}`)

/** Headers of an answer on its way to a browser: nothing of it holds for other hosts than the thread's own. */
export function returned(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) if (!OF_CONNECTION.has(name) && name !== 'strict-transport-security') passed[name] = value
  if (headers['set-cookie'] !== undefined) passed['set-cookie'] = headers['set-cookie'].map((cookie) => cookie.replaceAll(/;\s*domain\s*=[^;]*/gi, ''))
  return passed
}

/** Name and value in turn, as they came, but for one cookie. */
function withoutOwnCookie(rawHeaders: readonly string[], own: string | undefined): readonly string[] {
  if (own === undefined) return rawHeaders
  const kept: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (name.toLowerCase() !== 'cookie') kept.push(name, value)
    else {
      const cookies = value.split(';').map((cookie) => cookie.trim())
      const others = cookies.filter((cookie) => !cookie.startsWith(`${own}=`))
      if (others.length > 0) kept.push(name, others.join('; '))
    }
  }
  return kept
}
