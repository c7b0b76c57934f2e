import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import * as z from 'zod'
import { inWords } from '../../../src/command/words.ts'
import { ConfigBody } from '../../../src/ways/github/api/config.ts'
import { openRooms } from '../../../src/ways/github/in/body.ts'
import { receive, tellForged } from '../../../src/ways/github/in/door.ts'
import { issueIn } from '../../../src/ways/github/in/vouch.ts'
import { invalid, invalidField, jsonIn, Problem } from '../../../src/ways/http/problem.ts'
import { ProcessIssue } from '../../../src/ways/github/in/process-issue.ts'
import packageFile from '../../../package.json' with { type: 'json' }
import { BadSettings, readSettings, settingsProblems } from './settings.ts'
import { complain, toolsOf } from './tools.ts'
import { same } from './same.ts'

interface Bindings {
  readonly Bindings: Env
}
type Asked = Context<Bindings>

const MAX_BODY_BYTES = 1024 * 1024

/** The routes of the Worker. */
export function app(): Hono<Bindings> {
  const [rooms, tell] = [openRooms(), tellForged()]
  const routes = new Hono<Bindings>()
  routes.onError((error, c) => problemAnswer(error, c))
  routes.notFound(() => {
    throw new Problem(404, 'Not found', 'There is no such route; GET / lists them.')
  })

  routes.get('/', (c) =>
    c.json({ name: 'branchline', version: packageFile.version, environment: readSettings(c.env).ENVIRONMENT, links: Object.keys(METHODS) }),
  )
  routes.get('/health', async (c) => {
    const problems = [...settingsProblems(c.env)]
    const [app, containers] =
      problems.length > 0
        ? [undefined, undefined]
        : await Promise.all([
            appOf(c)
              .app()
              .catch((error: unknown) => void problems.push(lockedOf(error))),
            c.env.SLOTS.getByName('slots').counts(),
          ])
    const status = problems.length === 0 ? 'healthy' : 'misconfigured'
    const about = { status, timestamp: new Date().toISOString(), version: packageFile.version, app: app !== undefined, containers, problems }
    return c.json(about, problems.length === 0 ? 200 : 503)
  })
  routes.post('/webhook/github', async (c) => {
    const { log } = toolsOf(c.env, { object: 'worker' })
    const answer = await receive(c.req.raw, {
      secrets: async () => (await appOf(c).app())?.webhookSecrets,
      record: async (told, event) => c.env.REPOSITORY.getByName(String(event.repository.id)).record(told),
      rooms,
    })
    tell(answer, log)
    if (answer.status < 300) return c.json({ success: true, message: answer.message }, answer.status)
    throw new Problem(answer.status, 'Not taken', answer.message, [], answer.status === 503 ? { 'retry-after': '30' } : {})
  })

  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new Problem(413, 'Too large', `body: must be at most ${MAX_BODY_BYTES / 1024} KB`)
    },
  })
  for (const path of ['/config', '/container/*']) routes.use(path, administrator, limit)
  routes.get('/config', async (c) => c.json(await appOf(c).shown()))
  routes.post('/config', async (c) => {
    const { badPrivateKey } = await appOf(c).enter(await bodyOf(c, ConfigBody))
    if (badPrivateKey !== undefined) throw invalidField('#/privateKey', badPrivateKey)
    return c.json(await appOf(c).shown())
  })
  routes.delete('/config', async (c) => {
    await appOf(c).clear()
    return c.json(await appOf(c).shown())
  })

  routes.post('/container/process', async (c) => {
    const { payload, config } = await bodyOf(c, ProcessIssue.omit({ job: true }))
    const issue = issueIn(payload)
    if (issue === undefined) throw invalidField('#/payload', 'must be what GitHub sends of an issue, with issue, repository and sender')
    if ((await appOf(c).app()) === undefined) throw new Problem(409, 'Not possible here', 'No GitHub App is set up here: see docs/cloudflare.md.')
    const { id } = issue.repository
    const taken = await c.env.REPOSITORY.getByName(String(id)).vouched(issue, config)
    return c.json({ success: true, ...taken, repositoryId: id }, 202)
  })
  routes.get('/container/health', async (c) => {
    const repository = c.req.query('repositoryId')
    const { MAX_CONTAINERS: most } = readSettings(c.env)
    const about = repository === undefined ? {} : { repository: await c.env.REPOSITORY.getByName(idIn(repository)).overview() }
    return c.json({ success: true, most, ...(await c.env.SLOTS.getByName('slots').counts()), ...about })
  })
  routes.get('/container/jobs/:repositoryId/:commandId', async (c) => {
    const found = await c.env.REPOSITORY.getByName(idIn(c.req.param('repositoryId'))).job(c.req.param('commandId'))
    if (found === undefined) throw new Problem(404, 'Not found', 'There is no such job in this repository.')
    return c.json({ success: true, ...found })
  })
  routes.get('/container/events/:repositoryId/:threadId', async (c) => {
    const id = idIn(c.req.param('repositoryId'))
    const ref = await c.env.REPOSITORY.getByName(id).refOf(c.req.param('threadId'))
    if (ref === undefined) throw new Problem(404, 'Not found', 'There is no such thread in this repository.')
    const path = [ref.clientId, ref.userId, ref.threadId].map((each) => encodeURIComponent(each)).join('/')
    const query = new URLSearchParams({ projectId: ref.projectId })
    const last = c.req.header('last-event-id')
    const answer = await c.env.CONTAINER.getByName(`${id}/${ref.threadId}`)
      .fetch(`http://container/api/threads/${path}/events?${query.toString()}`, { headers: last === undefined ? {} : { 'last-event-id': last } })
      .catch(() => undefined) // there is none
    if (answer?.ok !== true) throw new Problem(409, 'Not possible now', 'No container works on this thread now.')
    return new Response(answer.body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
  })
  for (const [path, allow] of Object.entries(METHODS))
    routes.all(path, () => {
      throw new Problem(405, 'Method not allowed', `This route takes ${allow}.`, [], { allow })
    })
  return routes
}

const METHODS: Readonly<Record<string, string>> = {
  '/': 'GET',
  '/health': 'GET',
  '/webhook/github': 'POST',
  '/config': 'GET, POST, DELETE',
  '/container/process': 'POST',
  '/container/health': 'GET',
  '/container/jobs/:repositoryId/:commandId': 'GET',
  '/container/events/:repositoryId/:threadId': 'GET',
}

const appOf = (c: Asked) => c.env.GITHUB_APP.getByName('app')

/** What to say of a vault that VAULT_KEY does not open. @throws any other error */
function lockedOf(error: unknown): string {
  if (!(error instanceof Error && error.name === 'VaultLocked')) throw error
  return `VAULT_KEY: ${error.message} To remove it: npx branchline config clear, or DELETE /config.`
}

/** Whoever runs the service. No page of a browser, which would send no such header by itself. */
const administrator: MiddlewareHandler<Bindings> = async (c, next) => {
  const shown = /^Bearer (.+)$/.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
  if (!(await same(shown, readSettings(c.env).API_TOKEN)))
    throw new Problem(401, 'Not signed in', 'Authorization: the API_TOKEN is needed, as `Authorization: Bearer …`', [], { 'www-authenticate': 'Bearer' })
  await next()
}

/** A repository is named by GitHub's number, because names change. */
function idIn(text: string): string {
  if (!/^\d{1,15}$/.test(text)) throw invalidField('repositoryId', 'must be the number that GitHub gave the repository')
  return text
}

async function bodyOf<Shape extends z.ZodType>(c: Asked, shape: Shape): Promise<z.infer<Shape>> {
  if (c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    throw new Problem(415, 'Not JSON', 'Content-Type: must be application/json')
  const { data, error } = shape.safeParse(jsonIn(await c.req.text()), { error: inWords })
  if (error !== undefined) throw invalid('body', error)
  return data as z.infer<Shape>
}

function problemAnswer(error: unknown, c: Asked): Response {
  const problem = problemOf(error)
  if (problem.status === 500) complain(c.env, 'request.failed', { object: 'worker', path: c.req.routePath }, error)
  return c.body(JSON.stringify(problem.body()), problem.status, { ...problem.headers, 'content-type': 'application/problem+json' })
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof BadSettings) return new Problem(503, 'Not configured', `The Worker has problems:\n${error.message}`, [], { 'retry-after': '300' })
  if (error instanceof Error && error.name === 'VaultLocked') return new Problem(503, 'Not configured', lockedOf(error), [], { 'retry-after': '300' })
  return new Problem(500, 'Not accepted', 'The Worker could not do this; its log says why.')
}
