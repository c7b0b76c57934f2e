import { once } from 'node:events'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'

/** Nothing listens on the wished port any more than once. */
export class PortTaken extends Error {
  constructor(host: string, port: number, variable: 'PORT' | 'ASTRO_PORT' = 'PORT') {
    super(`${host}:${port} is in use by another program. Stop that one, or set ${variable} to another number (0 takes a free one).`)
    this.name = 'PortTaken'
  }
}

export interface Listening extends AsyncDisposable {
  readonly url: string
}

/** How long a request may take to arrive; its answer may take as long as its run. */
const RECEIVE_MS = 5 * 60_000
/** How long answers that are being written may take when the service stops. */
const CLOSE_MS = 2000

/** @throws PortTaken */
export async function listen(app: Hono, host: string, port: number): Promise<Listening> {
  const server = createAdaptorServer({ fetch: app.fetch, hostname: host }) as Server // oxlint-disable-line typescript/no-unsafe-type-assertion -- http is what it makes unless told otherwise
  server.requestTimeout = RECEIVE_MS
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') throw new PortTaken(host, port)
    throw error
  }
  const address = server.address()
  const actual = address === null || typeof address === 'string' ? port : address.port
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`, [Symbol.asyncDispose]: () => close(server) }
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
  await closed
  clearTimeout(timer)
}
