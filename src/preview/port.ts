import { once } from 'node:events'
import { createServer } from 'node:net'
import { listenersAt } from '../process/peer.ts'
import type { Identity } from '../process/start.ts'

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Whether somebody else than a user listens on a port: a site may say any port, and another thread's program may have taken this one.
 * Where users cannot be told apart nobody is another.
 */
export async function isAnothers(port: number, { uid }: Identity): Promise<boolean> {
  if (uid === undefined) return false
  const users = await listenersAt(port)
  return users !== undefined && (users.size !== 1 || !users.has(uid))
}
