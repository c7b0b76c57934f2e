import { Health, Root } from './answers.ts'
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
      summary: 'Name, version, links',
      role: undefined,
      answers: { 200: { about: 'Where to go from here.', schema: Root } },
      serve: async ({ c }) => c.json({ name: 'branchline', version, links: { health: '/health', description: '/openapi.json', execute: '/api/execute' } }),
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
