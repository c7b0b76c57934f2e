import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import type { Callers } from './access.ts'
import type { Route } from './route.ts'

/** The routes that other agents may use. */
const VERBS: ReadonlySet<string> = new Set([
  'execute',
  'init',
  'getCommand',
  'getStatus',
  'listThreads',
  'getHistory',
  'getDiff',
  'getCheckpoints',
  'getFiles',
  'getCosts',
  'getPreview',
  'startPreview',
  'undo',
  'restore',
  'interrupt',
  'push',
  'openPullRequest',
])
/** As tools are called: `get_status`. */
const nameOf = (operationId: string): string => operationId.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** How long `wait_for_result` waits at most, in seconds: clients give up after sixty. */
const LONGEST_WAIT_S = 45
const LOOK_MS = 500
const Ended = z.object({ result: z.object({}) })

const HOW = `Branchline turns messages into git commits: a coding agent works on a branch of its own for each thread.
execute hands a message in and answers at once with its commandId; wait_for_result then waits for the result, and is called again until there is one.
A newer message to the same thread interrupts the one that runs. Nothing leaves the machine before push or open_pull_request.`

interface Tool {
  readonly name: string
  readonly route: Route
  readonly input: z.ZodObject
}

/** Answers a request of the Model Context Protocol. */
export type Mcp = (c: Context) => Promise<Response>

/**
 * The routes of the API as tools for other agents, by the Model Context Protocol (streamable HTTP, without sessions). A tool is called by
 * the route itself, so that whoever calls may do what the token allows there, and is told the same.
 */
export function mcp(app: Hono, routes: readonly Route[], callers: Callers, version: string): Mcp {
  const tools = routes
    .filter(({ operationId }) => VERBS.has(operationId))
    .map((route): Tool => ({ name: nameOf(route.operationId), route, input: inputOf(route) }))
  return async ({ req: { raw: request }, env }) => {
    callers.identify(request.headers.get('authorization') ?? undefined)
    const ask = async (path: string, method: string, body?: unknown): Promise<Response> => {
      const headers = new Headers({ host: request.headers.get('host') ?? '' })
      const authorization = request.headers.get('authorization')
      if (authorization !== null) headers.set('authorization', authorization)
      if (body !== undefined) headers.set('content-type', 'application/json')
      return app.request(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }, env)
    }
    return createMcpHandler(() => serverOf(tools, ask, version)).fetch(request)
  }
}

type Ask = (path: string, method: string, body?: unknown) => Promise<Response>

function serverOf(tools: readonly Tool[], ask: Ask, version: string): McpServer {
  const server = new McpServer({ name: 'branchline', version }, { instructions: HOW })
  for (const { name, route, input } of tools)
    server.registerTool(
      name,
      { description: `${route.summary}.`, inputSchema: input, annotations: { readOnlyHint: route.method === 'GET', openWorldHint: false } },
      async (given) => toldOf(await ask(pathOf(route, given), route.method, bodyOf(route, given))),
    )
  const looked = tools.find(({ name }) => name === 'get_command')
  if (looked === undefined) return server
  const waiting = { seconds: z.number().min(1).max(LONGEST_WAIT_S).default(30).describe('How long to wait for it.') }
  const description = 'Wait for the result of a command; without one in time it answers how the command stands, and can be called again.'
  server.registerTool(
    'wait_for_result',
    { description, inputSchema: looked.input.extend(waiting), annotations: { readOnlyHint: true, openWorldHint: false } },
    async ({ seconds, ...given }) => {
      const until = performance.now() + waiting.seconds.parse(seconds) * 1000
      for (;;) {
        const answer = await ask(pathOf(looked.route, given), 'GET')
        if (!answer.ok || performance.now() > until || Ended.safeParse(await answer.clone().json()).success) return toldOf(answer)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
  )
  return server
}

const shapeOf = (schema: z.ZodType | undefined): z.ZodRawShape => (schema instanceof z.ZodObject ? schema.shape : {})

/** What a route takes by path, query and body, as one object. A message is never waited for: a client gives up sooner than an agent is done. */
function inputOf({ path, query, body }: Route): z.ZodObject {
  const { wait: _, ...shape } = { ...shapeOf(path), ...shapeOf(query), ...shapeOf(body) }
  return z.object(shape)
}

type Given = Readonly<Record<string, unknown>>

/** As a parameter is written; its schema has been checked. */
const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '')

function pathOf({ url, query }: Route, given: Given): string {
  const values = new URLSearchParams()
  for (const name of Object.keys(shapeOf(query))) if (given[name] !== undefined) values.set(name, textOf(given[name]))
  const path = url.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(textOf(given[name])))
  return values.size === 0 ? path : `${path}?${values.toString()}`
}

function bodyOf({ method, body }: Route, given: Given): unknown {
  if (method === 'GET') return undefined
  const shape = shapeOf(body)
  const named = Object.keys(shape).filter((name) => given[name] !== undefined)
  return { ...Object.fromEntries(named.map((name) => [name, given[name]])), ...('wait' in shape ? { wait: false } : {}) }
}

/** What a route answered; a refusal is an error of the tool, in its own words. */
async function toldOf(answer: Response) {
  const text = await answer.text()
  const isStructured = answer.ok && answer.headers.get('content-type')?.startsWith('application/json') === true // not so the content of a file
  return { content: [{ type: 'text' as const, text }], isError: !answer.ok, ...(isStructured ? { structuredContent: JSON.parse(text) } : {}) }
}
