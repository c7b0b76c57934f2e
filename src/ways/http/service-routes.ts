import type { Context } from 'hono'
import { ClientId, UserId } from '../../command/ids.ts'
import { workspaceOrigin } from '../../engine/inspect.ts'
import { ANYBODY } from './access.ts'
import { Health, Me, Root } from './answers.ts'
import { consolePage, prefersPage } from './console-routes.ts'
import type { Desk } from './desk.ts'
import { ProjectQuery, workspaceOf } from './requests.ts'
import { route, type Route } from './route.ts'

/** Whose workspace is meant where nobody says. */
const ME = { clientId: ClientId.parse('me'), userId: UserId.parse('me') }

/** Routes about the service itself. */
export function serviceRoutes(desk: Desk, document: () => object): readonly Route[] {
  const { engine, tools, defaults, version } = desk
  return [
    route({
      method: 'GET',
      url: '/',
      operationId: 'getRoot',
      summary: 'Name, version, links; for browsers the web console',
      role: undefined,
      answers: { 200: { about: 'Where to go from here.', schema: Root } },
      serve: async ({ c }) => (prefersPage(c.req.header('accept')) ? consolePage(c, desk) : root(c, version)),
    }),
    route({
      method: 'GET',
      url: '/api/whoami',
      operationId: 'getMe',
      summary: 'Who calls, what that caller may do, and which workspace is meant where none is named',
      role: 'view',
      forLinks: true,
      query: ProjectQuery,
      answers: { 200: { about: 'The caller.', schema: Me } },
      serve: async ({ query, c, caller }) => {
        const workspace =
          caller.thread ??
          workspaceOf(
            { clientId: caller.clientId ?? defaults.clientId ?? ME.clientId, userId: caller.userId ?? defaults.userId ?? ME.userId, ...query },
            defaults,
          )
        const { known, url = known ? undefined : tools.beginning.origin?.url } = await workspaceOrigin(workspace, tools)
        return c.json({
          name: caller.name,
          role: caller.role,
          ...workspace,
          simulated: tools.simulated,
          keyWanted: desk.enteredKey !== undefined && caller.role === 'administer',
          projectChosen: defaults.projectId === undefined && caller.thread === undefined,
          open: caller === ANYBODY,
          repository: { begun: known, ...(url === undefined ? {} : { url }) },
        })
      },
    }),
    route({
      method: 'GET',
      url: '/health',
      operationId: 'getHealth',
      summary: 'Whether the service accepts messages',
      role: undefined,
      answers: {
        200: { about: 'It does.', schema: Health },
        503: { about: 'It is shutting down, its disk is full, or its journal cannot be written.', schema: Health },
      },
      serve: async ({ c }) => {
        const status = await engine.health()
        const { rss, heapUsed } = process.memoryUsage()
        const { user, system } = process.cpuUsage()
        const health = {
          status,
          timestamp: new Date().toISOString(),
          version,
          uptime: Math.round(process.uptime()),
          workspace: tools.root,
          ...(defaults.clientId === undefined ? {} : { client: defaults.clientId }),
          ...(defaults.threadId === undefined ? {} : { thread: defaults.threadId }),
          memory: { rssBytes: rss, heapBytes: heapUsed },
          cpu: { userMs: Math.round(user / 1000), systemMs: Math.round(system / 1000) },
          ...engine.counts(),
          agents: tools.agents.counts(),
          isolation: tools.identities.level,
          simulated: tools.simulated,
        }
        return c.json(health, status === 'healthy' ? 200 : 503)
      },
    }),
    route({
      method: 'GET',
      url: '/openapi.json',
      operationId: 'getDescription',
      summary: 'This document',
      role: undefined,
      answers: { 200: { about: 'OpenAPI 3.1.' } },
      serve: async ({ c }) => c.json(document()),
    }),
  ]
}

const root = (c: Context, version: string): Response =>
  c.json({ name: 'branchline', version, links: { health: '/health', description: '/openapi.json', execute: '/api/execute' } })
