import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { routePath } from 'hono/route'
import { ShuttingDown } from '../../engine/reasons.ts'
import { NotRecorded } from '../../journal/journal.ts'
import { measure, secondsSince } from '../../observe/measure.ts'
import { messageOf } from '../../observe/text.ts'
import { requireRole, requireRoute, type Caller, type Callers } from './access.ts'
import { commandRoutes } from './command-routes.ts'
import { deadLetterRoutes } from './dead-letter-routes.ts'
import type { Desk } from './desk.ts'
import { configRoutes } from './config-routes.ts'
import { consoleRoute } from './console-routes.ts'
import { mcp } from './mcp.ts'
import { modelKeyRoutes } from './model-key-routes.ts'
import { metricsRoute } from './metrics-route.ts'
import { githubRoutes } from './github-routes.ts'
import { guard, type GuardOptions } from './guard.ts'
import { refuseAgents, type IsAgent } from './no-agents.ts'
import { openApiDocument } from './openapi.ts'
import { Problem } from './problem.ts'
import { previewRoutes } from './preview-routes.ts'
import { pullRequestRoute } from './pull-request-route.ts'
import type { Route } from './route.ts'
import { setUpRoutes } from './set-up-routes.ts'
import { shareRoute } from './share-route.ts'
import { serviceRoutes } from './service-routes.ts'
import { threadRoutes } from './thread-routes.ts'

/** Ten attachments of 5 MB as base64 would be 67 MB; what a person sends fits in this. */
const MAX_BODY_BYTES = 20 * 1024 * 1024

/** Asked by what watches the service, whether or not anybody is there. */
const OF_MACHINES = new Set(['/health', '/metrics'])

/** Others are a caller's invention. */
const METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'])

interface AppOptions extends GuardOptions {
  readonly isAgent: IsAgent
  /** Somebody has asked for something else than whether the service is well. */
  readonly touched: () => void
}

export function httpApp(desk: Desk, callers: Callers, options: AppOptions): Hono {
  const routes: readonly Route[] = [
    ...serviceRoutes(desk, () => document),
    metricsRoute(desk.metrics),
    ...commandRoutes(desk),
    ...threadRoutes(desk),
    ...previewRoutes(desk),
    pullRequestRoute(desk),
    shareRoute(desk),
    consoleRoute(desk),
    ...modelKeyRoutes(desk),
    ...githubRoutes(desk),
    ...configRoutes(desk),
    ...setUpRoutes(desk),
    ...deadLetterRoutes(desk),
  ]
  const document = openApiDocument(routes, desk.version)
  const app = new Hono()
  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem.status === 500 || error instanceof NotRecorded)
      desk.tools.log.error({ event: 'request.failed', method: c.req.method, path: c.req.routePath, err: error })
    return c.body(JSON.stringify(problem.body()), problem.status, { ...problem.headers, 'content-type': 'application/problem+json' })
  })
  app.notFound(() => {
    throw new Problem(404, 'Not found', 'There is no such route; /openapi.json lists them.')
  })
  app.use(async (c, next) => {
    const began = performance.now()
    await next()
    measure('http_request_seconds', secondsSince(began), {
      method: METHODS.has(c.req.method) ? c.req.method : 'other',
      route: routePath(c, -1),
      status: String(c.res.status),
    })
  })
  app.use(refuseAgents(options.isAgent))
  app.use(guard(options))
  const raw = new Set(routes.filter(({ rawBody }) => rawBody === true).map(({ url }) => url))
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new Problem(413, 'Too large', `body: must be at most ${MAX_BODY_BYTES / 1024 / 1024} MB`)
    },
  })
  app.use((c, next) => (raw.has(c.req.path) ? next() : limit(c, next)))
  for (const each of routes) {
    const { method, url, role, serve } = each
    app.on(method, url.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
      const caller: Caller = role === undefined ? { name: 'anybody', role: 'view' as const } : callers.identify(c.req.header('authorization'))
      if (role !== undefined) requireRole(caller, role)
      requireRoute(caller, each)
      if (!OF_MACHINES.has(url)) options.touched()
      return serve(c, caller)
    })
  }
  const forAgents = mcp(app, routes, callers, desk.version)
  app.all('/mcp', (c) => {
    options.touched()
    return forAgents(c)
  })
  for (const url of new Set(routes.map((each) => each.url))) {
    const allow = routes
      .filter((each) => each.url === url)
      .map((each) => each.method)
      .join(', ')
    app.all(url.replaceAll(/\{(\w+)\}/g, ':$1'), () => {
      throw new Problem(405, 'Method not allowed', `This route takes ${allow}.`, [], { allow })
    })
  }
  return app
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof ShuttingDown)
    return new Problem(503, 'Shutting down', 'The service is shutting down; send the same request again in a moment.', [], { 'retry-after': '5' })
  if (error instanceof NotRecorded) {
    return new Problem(503, 'Not recorded', 'The journal cannot be written, so nothing was accepted; send the same request again later.', [], {
      'retry-after': '30',
    })
  }
  return new Problem(500, 'Not accepted', `The service could not do this: ${messageOf(error).slice(0, 300)}`)
}
