import type { MiddlewareHandler } from 'hono'
import { Problem } from './problem.ts'

export interface GuardOptions {
  /** Host names under which the API may be called, besides loopback; `undefined` for any, where a token is needed anyway. */
  readonly hosts: readonly string[] | undefined
  /** Origins of web pages that may call it from a browser. */
  readonly origins: readonly string[]
}

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']

/**
 * Refuses what a web page could make a browser send: requests under a foreign host name (DNS rebinding), from a foreign
 * origin, or with a body that is not JSON, which browsers send without asking first.
 */
export function guard({ hosts, origins }: GuardOptions): MiddlewareHandler {
  const known =
    hosts === undefined
      ? undefined
      : new Set([...LOOPBACK, ...hosts.map((host) => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host).toLowerCase())])
  return async (c, next) => {
    const host = c.req.header('host') ?? ''
    const name = host.replace(/:\d{1,5}$/, '').toLowerCase()
    if (known?.has(name) === false)
      throw new Problem(421, 'Unknown host', `Host: ${JSON.stringify(name)} is not a name of this service; ALLOWED_HOSTS lists more`)
    const origin = c.req.header('origin')
    if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
      if (!origins.includes(origin))
        throw new Problem(403, 'Not allowed', 'Origin: web pages of another origin may not call this service; CORS_ORIGINS lists those that may')
      c.header('access-control-allow-origin', origin)
      c.header('vary', 'Origin')
      if (c.req.method === 'OPTIONS') {
        return c.body(null, 204, {
          'access-control-allow-methods': 'GET, POST',
          'access-control-allow-headers': 'authorization, content-type, idempotency-key, last-event-id, prefer',
          'access-control-max-age': '600',
        })
      }
    }
    const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
    if (c.req.method === 'POST' && type !== undefined && type !== 'application/json')
      throw new Problem(415, 'Unsupported media type', 'Content-Type: must be application/json')
    c.header('x-content-type-options', 'nosniff')
    c.header('referrer-policy', 'no-referrer')
    return next()
  }
}
