import type { Context } from 'hono'
import { Health, Me, Root } from './answers.ts'
import type { Desk } from './desk.ts'
import { route, type Route } from './route.ts'

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
    ...(['script', 'style'] as const).map((part) =>
      route({
        method: 'GET',
        url: `/console/console.${part === 'script' ? 'js' : 'css'}`,
        operationId: part === 'script' ? 'getConsoleScript' : 'getConsoleStyle',
        summary: `The ${part} of the web console`,
        role: undefined,
        answers: { 200: { about: 'As browsers take it.', contentType: part === 'script' ? 'text/javascript' : 'text/css' } },
        serve: async ({ c }) =>
          c.body((await desk.console())[part], 200, {
            'content-type': `${part === 'script' ? 'text/javascript' : 'text/css'}; charset=utf-8`,
            'cache-control': 'no-cache',
          }),
      }),
    ),
    route({
      method: 'GET',
      url: '/api/me',
      operationId: 'getMe',
      summary: 'Who calls, what that caller may do, and which workspace is meant where none is named',
      role: 'view',
      answers: { 200: { about: 'The caller.', schema: Me } },
      serve: async ({ c, caller }) =>
        c.json({
          name: caller.name,
          role: caller.role,
          clientId: caller.clientId ?? defaults.clientId ?? 'me',
          userId: caller.userId ?? defaults.userId ?? 'me',
          projectId: defaults.projectId ?? 'project',
          simulated: tools.simulated,
        }),
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

/** What a browser asks for when somebody types the address. */
const prefersPage = (accept: string | undefined): boolean => accept?.split(',').some((type) => type.trim().split(';')[0] === 'text/html') === true

/** Nothing works in it but its own script and style; it frames previews alone, and nobody frames it. */
async function consolePage(c: Context, desk: Desk): Promise<Response> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data: blob:",
    `frame-src ${desk.previewOrigins ?? "'none'"}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]
  return c.body((await desk.console()).page, 200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-cache',
    vary: 'Accept',
  })
}
