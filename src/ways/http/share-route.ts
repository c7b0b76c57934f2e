import { requireReach } from './access.ts'
import { Shared } from './answers.ts'
import { knownThread, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { ProjectQuery, ShareBody, ThreadPath, threadOf } from './requests.ts'
import { route, type Route } from './route.ts'

/** Makes links to a thread. */
export function shareRoute(desk: Desk): Route {
  return route({
    method: 'POST',
    url: '/api/threads/{clientId}/{userId}/{threadId}/share',
    operationId: 'shareThread',
    summary: 'Make a link to the thread for somebody who has no token',
    role: 'work',
    path: ThreadPath,
    query: ProjectQuery,
    body: ShareBody,
    answers: { 200: { about: 'The link.', schema: Shared } },
    serve: async ({ path, query, body: { role, name, minutes }, c, caller }) => {
      const thread = threadOf({ ...path, ...query }, desk.defaults)
      requireReach(caller, thread)
      await knownThread(thread, desk)
      if (caller.thread !== undefined) throw new Problem(403, 'Not allowed', 'Who came by a link makes no further ones.')
      const expiresAt = Date.now() + minutes * 60_000
      const token = desk.threadLinks?.token({ thread, role, name, expiresAt })
      const address = `/#/${encodeURIComponent(thread.threadId)}${token === undefined ? '' : `?key=${token}`}`
      const url = new URL(address, desk.publicUrl ?? new URL(c.req.url).origin)
      return c.json({ success: true, url: url.href, ...(token === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }) })
    },
  })
}
