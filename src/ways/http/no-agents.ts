import type { Socket } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { Problem } from './problem.ts'

/** Whether it is an agent of this machine that is at the other end of a connection. */
export type IsAgent = (socket: Socket) => Promise<boolean>

interface Bindings {
  readonly incoming?: { readonly socket: Socket }
}

/**
 * Refuses whatever an agent sends to the service that it works for, whatever token it shows: its messages, pushes and questions
 * come from whoever steers it.
 */
export function refuseAgents(isAgent: IsAgent): MiddlewareHandler<{ Bindings: Bindings }> {
  // A connection stays its process's, so it is looked at once, however many requests come by it.
  const known = new WeakMap<Socket, Promise<boolean>>()
  return async ({ env }, next) => {
    const socket = env.incoming?.socket
    if (socket !== undefined) {
      const answer = known.get(socket) ?? isAgent(socket)
      known.set(socket, answer)
      if (await answer) {
        const detail =
          'Programs that run as a user of agents, or that have hung up before it was clear who they are, may not call this service. FIRST_USER_ID says which users are those of agents.'
        throw new Problem(403, 'Not for agents', detail, [], { connection: 'close' })
      }
    }
    return next()
  }
}
