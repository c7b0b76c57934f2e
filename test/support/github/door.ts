import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { serveGit } from '../git-backend.ts'
import { allows, appTokenFault, bearer, reached, tokenOf } from './access.ts'
import { refs } from './branches.ts'
import { refuse, send } from './operation.ts'
import { fullName, type Manifest, type Repository, type State } from './state.ts'

const GIT = /^\/([^/]+)\/([^/]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/
const APP = /^\/app(?:\/|$)|^\/repos\/[^/]+\/[^/]+\/installation$/
const CONVERSION = /^\/app-manifests\/[^/]+\/conversions$/
const FORM = /^(?:\/organizations\/[^/]+)?\/settings\/apps\/new$/
const CONTENTS = /^(\/repos\/[^/]+\/[^/]+\/contents\/)([^?]+)/

export const manifestShape = z.object({
  name: z.string().optional(),
  redirect_url: z.string().optional(),
  hook_attributes: z.object({ url: z.string().optional() }).optional(),
  default_permissions: z.record(z.string(), z.enum(['read', 'write'])).optional(),
})

export type Inner = (request: IncomingMessage, response: ServerResponse) => void

/** What stands before the API: git, the form for new apps, and whether a token counts at all. */
export async function enter(state: State, request: IncomingMessage, response: ServerResponse, inner: Inner): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', state.url)
  const record = (body: unknown): void =>
    void state.requests.push({ method: request.method ?? 'GET', path: pathname, query: search.slice(1), at: Date.now(), body })
  const [, owner, name, service] = GIT.exec(pathname) ?? []
  if (owner !== undefined && name !== undefined && service !== undefined) {
    record(undefined)
    return git(state, request, response, { owner, name, writing: service === 'git-receive-pack' || search.includes('git-receive-pack') })
  }
  const text = await textOf(request)
  if (FORM.test(pathname) && request.method === 'POST') {
    record(text)
    return offer(state, new URLSearchParams(text), new URL(request.url ?? '/', state.url).searchParams, response)
  }
  const body = json(text)
  record(body)
  if (body === BROKEN) return send(response, refuse(400, 'Problems parsing JSON'))
  const { authorization } = request.headers
  const fault = APP.test(pathname) ? appTokenFault(state, authorization) : undefined
  if (fault !== undefined) return send(response, refuse(401, fault))
  if (!APP.test(pathname) && !CONVERSION.test(pathname) && bearer(state, authorization) === undefined)
    return send(response, refuse(401, authorization === undefined ? 'Requires authentication' : 'Bad credentials'))
  // The simulator takes the body from here, and knows no path that is one parameter.
  Object.assign(request, { body, url: (request.url ?? '/').replace(CONTENTS, (_, before: string, path: string) => `${before}${path.replaceAll('/', '%2F')}`) })
  response.once('finish', () => {
    const html = String(response.getHeader('content-type') ?? '').startsWith('text/html')
    if (html) state.problems.push(`${request.method} ${request.url}: the simulator failed with ${response.statusCode}`)
  })
  inner(request, response)
}

const BROKEN = Symbol('broken')
function json(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return BROKEN
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

/** A person has pressed the button that makes an app of a manifest. */
function offer(state: State, form: URLSearchParams, query: URLSearchParams, response: ServerResponse): void {
  const { success, data } = manifestShape.safeParse(json(form.get('manifest') ?? ''))
  if (!success || data.redirect_url === undefined) return send(response, refuse(422, 'Invalid GitHub App configuration'))
  const back = new URL(data.redirect_url)
  back.searchParams.set('code', offerManifest(state, data))
  const given = query.get('state') ?? form.get('state')
  if (given !== null) back.searchParams.set('state', given)
  response.writeHead(302, { location: back.href }).end()
}

/** The code that turns a manifest into an app, once. */
export function offerManifest(state: State, manifest: Manifest): string {
  const code = `code${state.next().toString(16)}`
  state.manifests.set(code, manifest)
  return code
}

interface Wish {
  readonly owner: string
  readonly name: string
  readonly writing: boolean
}

async function git(state: State, request: IncomingMessage, response: ServerResponse, { owner, name, writing }: Wish): Promise<void> {
  const refused = (status: number, text: string): void => {
    request.resume()
    response.writeHead(status, status === 401 ? { 'www-authenticate': 'Basic realm="GitHub"' } : {}).end(text)
  }
  const [, encoded] = /^basic (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (encoded === undefined) return refused(401, 'No anonymous access.')
  const [login, ...secret] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  const token = tokenOf(state, secret.join(':'))
  if (login !== 'x-access-token' || token === undefined) return refused(403, 'Invalid username or token.')
  const repository = reached(state, token, owner, name)
  if (repository === undefined) return refused(404, 'Repository not found.')
  if (!allows(token, 'contents', writing ? 'write' : 'read')) return refused(403, writing ? 'Write access to repository not granted.' : 'Read access denied.')
  const env = { GITHUB_WORKFLOWS: allows(token, 'workflows', 'write') ? 'write' : '' }
  const pushing = writing && request.method === 'POST'
  const before = pushing ? await refs(repository) : new Map<string, string>()
  // Git may look at once whether it arrived: it is noted before the reply ends.
  const done = async (): Promise<void> => (pushing ? note(state, repository, token.token, before) : undefined)
  await serveGit(request, response, { root: state.root, user: login, env, done })
}

async function note(state: State, repository: Repository, token: string, before: ReadonlyMap<string, string>): Promise<void> {
  const moved = [...(await refs(repository))].filter(([ref, commit]) => before.get(ref) !== commit)
  if (moved.length > 0) state.pushes.push({ repository: fullName(repository), token, refs: Object.fromEntries(moved) })
}
