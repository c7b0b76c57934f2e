import { simulation } from '@simulacrum/github-api-simulator'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { z } from 'zod'
import { DESCRIPTION, OPERATIONS } from './accounts.ts'
import { bearer } from './access.ts'
import { appOperations } from './app-operations.ts'
import { issueOperations } from './issue-operations.ts'
import { refuse, send, type Answer, type Operations } from './operation.ts'
import { pullOperations } from './pull-operations.ts'
import { repositoryOperations } from './repository-operations.ts'
import type { State } from './state.ts'

const OURS: Operations = { ...appOperations, ...repositoryOperations, ...issueOperations, ...pullOperations }
const FIRST_ERROR = 400

/** The simulator's own handlers of operations that we have not: an empty group in place of each, as it would complain about them. */
const NONE: Readonly<Record<string, object>> = Object.fromEntries(
  [
    'apps/list-installations',
    'apps/list-repos-accessible-to-installation',
    'apps/get-org-installation',
    'repos/list-for-org',
    'repos/list-branches',
    'repos/get-combined-status-for-ref',
    'git/get-blob',
    'git/get-tree',
    'users/get-authenticated',
    'orgs/list-memberships-for-authenticated-user',
  ].map((id) => [id, {}]),
)

/** Of what the simulator hands to a handler, what is read. */
interface Context {
  readonly request: { readonly params: Readonly<Record<string, string | readonly string[]>>; readonly requestBody?: unknown }
}
interface Api {
  readonly server: Server
  readonly port: number
  close(): Promise<void>
}

/** The simulator says what it found in the JSON of its own answers. */
const found = z.object({ err: z.array(z.object({ instancePath: z.string(), message: z.string().optional(), params: z.unknown() })) })
const outside = z.object({ error: z.literal('not found') })

function problemsIn(body: unknown): readonly string[] {
  if (outside.safeParse(body).success) return ['is not in the description of the double']
  const { data } = found.safeParse(body)
  return (data?.err ?? []).map(({ instancePath, message = '', params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
}

/** GitHub's REST API: each request is checked against GitHub's description of it, and so is each answer that is not an error. */
export async function startApi(state: State): Promise<Api> {
  const double = simulation({
    apiSchema: DESCRIPTION,
    initialState: { users: [], organizations: [], repositories: [], branches: [], blobs: [] },
    extend: {
      extendRouter: (router) =>
        router.use((request: IncomingMessage, response: { json: (body: unknown) => unknown }, next: () => void) => {
          const json = response.json.bind(response)
          response.json = (body) => {
            state.problems.push(...problemsIn(body).map((text) => `${request.method} ${request.url}: ${text}`))
            return json(body)
          }
          next()
        }),
      openapiHandlers: () => Object.assign(Object.fromEntries(OPERATIONS.map((id) => [id, handler(state, id)])), NONE),
    },
  })
  const { server, port = 0, ensureClose } = await double.listen({ port: 0, host: '127.0.0.1' })
  return { server, port, close: ensureClose }
}

/** Answers by the operation of that name; what is returned is checked, what is sent is not. */
function handler(state: State, id: string) {
  const answers = async ({ request: { params, requestBody } }: Context, request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const answer = await answerOf(state, id, params, requestBody, request)
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
    if (answer.status < FIRST_ERROR && answer.json !== undefined) return { status: answer.status, json: answer.json }
    return send(response, answer)
  }
  return (context: Context, request: IncomingMessage, response: ServerResponse): unknown => answers(context, request, response)
}

async function answerOf(state: State, id: string, params: Context['request']['params'], body: unknown, request: IncomingMessage): Promise<Answer> {
  const operation = OURS[id]
  if (operation === undefined) {
    state.problems.push(`${id} has no handler`)
    return refuse(501, `The double does not do ${id}`)
  }
  const query = new URL(request.url ?? '/', state.url).searchParams
  const texts = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]))
  try {
    return await operation({ state, request, params: texts, query, body, token: bearer(state, request.headers.authorization) })
  } catch (error) {
    state.problems.push(`${id}: ${error instanceof Error ? error.stack : String(error)}`)
    return refuse(500, 'Server Error')
  }
}
