import type { Context } from 'hono'
import * as z from 'zod'
import type { Caller, Role } from './access.ts'
import { jsonIn, Problem } from './problem.ts'
import { parsed } from './requests.ts'

interface Input<Path extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  readonly path: z.infer<Path>
  readonly query: z.infer<Query>
  readonly body: z.infer<Body>
  readonly caller: Caller
  readonly c: Context
}

/** One route, as code and as a line of the OpenAPI document. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** In OpenAPI's notation: `/api/commands/{commandId}`. */
  readonly url: string
  readonly operationId: string
  readonly summary: string
  /** `undefined`: needs no token. */
  readonly role: Role | undefined
  /** Who follows a link to a thread may use it, though its path names none. */
  readonly forLinks?: true
  readonly path: z.ZodType
  readonly query: z.ZodType
  readonly body: z.ZodType | undefined
  readonly headers: readonly string[]
  /** It reads its body by itself, with limits of its own. */
  readonly rawBody?: true
  readonly answers: Readonly<Record<number, { readonly about: string; readonly schema?: z.ZodType; readonly contentType?: string }>>
  readonly serve: (c: Context, caller: Caller) => Promise<Response>
}

interface Definition<Path extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> extends Pick<
  Route,
  'method' | 'url' | 'operationId' | 'summary' | 'role' | 'forLinks' | 'rawBody' | 'answers'
> {
  readonly path?: Path
  readonly query?: Query
  readonly body?: Body
  readonly headers?: readonly string[]
  readonly serve: (input: Input<Path, Query, Body>) => Promise<Response>
}

const NOTHING = z.object({})

/** A route whose inputs are parsed before it serves; the document is made from the same schemas. */
export function route<Path extends z.ZodType = typeof NOTHING, Query extends z.ZodType = typeof NOTHING, Body extends z.ZodType = typeof NOTHING>(
  definition: Definition<Path, Query, Body>,
): Route {
  const { path = NOTHING, query = NOTHING, body, headers = [], serve } = definition
  return {
    ...definition,
    path,
    query,
    body,
    headers,
    serve: async (c, caller) =>
      serve({
        path: parsed('path', path, c.req.param()) as z.infer<Path>, // oxlint-disable-line typescript/no-unsafe-type-assertion -- `path` is Path or, where there is none, its default
        query: parsed('query', query, singleValues(c)) as z.infer<Query>, // oxlint-disable-line typescript/no-unsafe-type-assertion -- as above
        body: (body === undefined ? {} : parsed('body', body, jsonIn(await c.req.text()))) as z.infer<Body>, // oxlint-disable-line typescript/no-unsafe-type-assertion -- as above
        caller,
        c,
      }),
  }
}

function singleValues(c: Context): Record<string, string> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => {
      if (values.length > 1)
        throw new Problem(400, 'The request is not valid', `${name}: must be given once`, [{ pointer: name, detail: 'must be given once' }])
      return [name, values[0] ?? '']
    }),
  )
}
