import type { Context } from 'hono'
import { ClientId, UserId } from '../../command/ids.ts'
import { workspaceOrigin } from '../../engine/inspect.ts'
import { ANYBODY, type Caller } from './access.ts'
import { Health, Me, ModelKeyAnswer, Root } from './answers.ts'
import type { ConsoleFile } from './console.ts'
import type { Desk, ModelKey } from './desk.ts'
import { invalidField, Problem } from './problem.ts'
import { ConsolePath, ModelKeyBody, ProjectQuery, workspaceOf } from './requests.ts'
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
      url: '/console/{name}',
      operationId: 'getConsoleFile',
      summary: 'A script or style of the web console',
      role: undefined,
      path: ConsolePath,
      answers: { 200: { about: 'As browsers take it.', contentType: 'text/javascript' } },
      serve: async ({ path: { name }, c }) => {
        const file = (await desk.console())?.files.get(name)
        if (file === undefined) throw new Problem(404, 'Not found', `name: the console has no file ${name}; open the page anew`)
        return handedOut(c, file, { 'cache-control': 'public, max-age=31536000, immutable' })
      },
    }),
    route({
      method: 'GET',
      url: '/api/whoami',
      operationId: 'getMe',
      summary: 'Who calls, what that caller may do, and which workspace is meant where none is named',
      role: 'view',
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
      method: 'POST',
      url: '/api/model-key',
      operationId: 'enterModelKey',
      summary: 'Enter the key of the model, where the operator has set none; it is tried first, and never shown again',
      role: 'administer',
      body: ModelKeyBody,
      answers: { 200: { about: 'It is used from here on.', schema: ModelKeyAnswer } },
      serve: async ({ body: { key }, c, caller }) => {
        const problem = await keyFor(caller, desk).enter(key, () => engine.counts().running > 0)
        if (problem !== undefined) throw invalidField('#/key', problem)
        return c.json({ success: true, simulated: tools.simulated })
      },
    }),
    route({
      method: 'DELETE',
      url: '/api/model-key',
      operationId: 'forgetModelKey',
      summary: 'Forget the key that was entered; a scripted model answers again',
      role: 'administer',
      answers: { 200: { about: 'It is forgotten.', schema: ModelKeyAnswer } },
      serve: async ({ c, caller }) => {
        await keyFor(caller, desk).forget()
        return c.json({ success: true, simulated: tools.simulated })
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

/** @throws Problem 403, 409 where it is not to be entered, or not now */
function keyFor(caller: Caller, { enteredKey, engine }: Desk): ModelKey {
  if (caller.clientId !== undefined || caller.userId !== undefined) throw new Problem(403, 'Not allowed', 'The key is for all users; this token is for one.')
  if (enteredKey === undefined) throw new Problem(409, 'Not possible here', 'Whoever runs this service has said how the model is reached.')
  if (engine.counts().running > 0) throw new Problem(409, 'Not now', 'Something is running, with the model of before. Try again when it has ended.')
  return enteredKey
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
  const page = (await desk.console())?.page
  if (page === undefined) return c.text('The console has not been made. Stop the service and start it by `npm start`, which makes it.\n', 503)
  return handedOut(c, page, { 'content-security-policy': policy.join('; '), 'cache-control': 'no-cache' })
}

function handedOut(c: Context, { type, content, zipped }: ConsoleFile, headers: Readonly<Record<string, string>>): Response {
  const zips = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
  const encoding = zips ? { 'content-encoding': 'gzip' } : {}
  return c.body(new Uint8Array(zips ? zipped : content), 200, { ...headers, ...encoding, 'content-type': type, vary: 'Accept, Accept-Encoding' })
}
