import type { Context } from 'hono'
import type { ConsoleFile } from './console.ts'
import type { Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { ConsolePath } from './requests.ts'
import { route, type Route } from './route.ts'

/** The route of what the page of the web console is made of. */
export function consoleRoute(desk: Desk): Route {
  return route({
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
  })
}

/** What a browser asks for when somebody types the address. */
export const prefersPage = (accept: string | undefined): boolean => accept?.split(',').some((type) => type.trim().split(';')[0] === 'text/html') === true

/** Nothing works in it but its own script and style; it frames previews alone, and nobody frames it. */
export async function consolePage(c: Context, desk: Desk): Promise<Response> {
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
