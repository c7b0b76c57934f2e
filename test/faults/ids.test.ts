import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client, before]: [Model, Service, Client, readonly string[]] = [undefined!, undefined!, undefined!, []]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', FIRST_USER_ID: '40000' } })
  client = clientOf(service)
  await client.run('known', 'write a.txt: a')
  before = await folders()
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** Folders that ids have names in, and what lies beside the workspace. */
async function folders(): Promise<readonly string[]> {
  const places = ['..', '.', 'acme', 'acme/me', 'acme/me/.worktrees', 'acme/me/.claude/threads', '.branchline/events', '.branchline/indexes']
  const found = await Promise.all(places.map(async (place) => (await readdir(join(service.workspace, place))).map((name) => `${place}: ${name}`)))
  // A view of the known thread may be on its way still.
  return [...new Set(found.flat().map((name) => name.replace(/\.making-[0-9a-f]+$/, '')))].toSorted()
}

async function nothingMade(): Promise<void> {
  expect(await folders()).toEqual(before)
  expect((await client.call('GET', '/api/threads/acme/me')).body.threads).toHaveLength(1)
}

const ROUTES = [
  ['GET', '/api/status/{clientId}/{userId}/{threadId}'],
  ['GET', '/api/threads/{clientId}/{userId}'],
  ...['history', 'diff', 'checkpoints', 'files', 'events'].map((verb) => ['GET', `/api/threads/{clientId}/{userId}/{threadId}/${verb}`] as const),
  ...['undo', 'push', 'restore', 'interrupt', 'pull-request'].map((verb) => ['POST', `/api/threads/{clientId}/{userId}/{threadId}/${verb}`] as const),
] as const
const GOOD: Readonly<Record<string, string>> = { clientId: 'acme', userId: 'me', projectId: 'project', threadId: 'known' }

/** In a body; a path of a URL cannot hold all of them. */
const BAD: Readonly<Record<string, string>> = {
  'leading out': '../../etc',
  'leading out, at the end': 'a/../..',
  'two dots': 'a..b',
  'a dot alone': '.',
  'a slash': 'a/b',
  'a backslash': 'a\\b',
  'an absolute path': '/etc/passwd',
  'a drive': 'C:a',
  'an encoded slash': 'a%2fb',
  'a Cyrillic look-alike': '\u0430cme',
  'a full-width look-alike': '\uff41cme',
  'a fraction slash': 'a\u2215b',
  'a combining mark': 'a\u0301',
  'an invisible letter': 'ac\u200bme',
  'a reversal of the line': 'a\u202eb',
  'the Kelvin sign': '\u212aa',
  'a million letters': 'a'.repeat(1_000_000),
  '129 letters': 'a'.repeat(129),
  __proto__2: '__proto__',
  'half of a surrogate pair': 'a\ud800',
  'the other half': '\udc00a',
  NUL: 'a\0b',
  'a line feed at the end': 'known\n',
  'a tab': 'a\tb',
  'an escape': 'a\u001b[2J',
  'a name of the service': 'metadata.json',
  'the same in capitals': 'METADATA.json',
  'a folder of the service': '.branchline',
  'a folder of conversations': '.claude',
  'a lock': 'a.lock',
  'a lock in capitals': 'a.LocK',
  'a dot at the end': 'a.',
  'an option': '-rf',
  'a long option': '--output=x',
  'a revision': 'a@{1}',
  'a parent': 'a^',
  'an older one': 'a~1',
  'a wildcard': 'a*',
  'a range': 'a:b',
  'a shell': '$(id)',
  nothing: '',
}
const fields = ['clientId', 'userId', 'projectId', 'threadId'] as const

describe('an id that is none', () => {
  afterEach(() => nothingMade())

  it.each([...fields, 'chatThreadId'])('as %s of a body is refused by name, and nothing is made', async (field) => {
    for (const [what, id] of Object.entries(BAD)) {
      const { threadId, ...others } = GOOD
      const ids = { ...others, ...(field === 'chatThreadId' ? {} : { threadId }), [field]: id }
      for (const [route, more] of [
        ['/api/execute', { instruction: 'hello' }],
        ['/api/init', {}],
      ] as const) {
        if (field === 'chatThreadId' && route === '/api/init') continue
        const { status, body } = await client.call('POST', route, { ...ids, ...more })
        expect({ status, error: String(body.error).slice(0, field.length + 2) }, `${route} ${what}`).toEqual({ status: 400, error: `${field}: ` })
        expect(JSON.stringify(body).length, 'an answer does not repeat what it refuses').toBeLessThan(2000)
      }
    }
  })

  it.each(['clientId', 'userId', 'threadId'])('as %s of a path is refused by name on every route', async (field) => {
    const encoded = Object.entries(BAD).filter(([what, id]) => id.isWellFormed() && !['', '.'].includes(id) && what !== 'a million letters')
    for (const [method, url] of ROUTES.filter(([, each]) => each.includes(`{${field}}`))) {
      const path = (id: string): string => url.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === field ? id : (GOOD[name] ?? '')))
      for (const [what, id] of encoded) {
        const { status, text } = await raw(method, path(encodeURIComponent(id)))
        expect({ status, named: text.includes(field) }, `${method} ${url} ${what} ${text.slice(0, 300)}`).toEqual({ status: 400, named: true })
      }
      for (const id of ['%', '%zz', '%ff', '%c0%af', '%ed%a0%80', '%00', '..%5c..', '%252e%252e', 'a'.repeat(5000)]) {
        const { status, text } = await raw(method, path(id))
        expect([400, 404], `${method} ${url} ${id.slice(0, 20)} ${status} ${text.slice(0, 300)}`).toContain(status)
      }
      // Dots are resolved as in any URL before a route is looked for; what they lead to knows nothing, or is no route.
      for (const id of ['..', '%2e%2e', '.', '%2E.']) {
        const { status, text } = await raw(method, path(id))
        expect(status === 200 ? text : status, `${method} ${url} ${id} ${text.slice(0, 300)}`).toSatisfy((seen) =>
          [400, 404, 405, '{"threads":[]}'].includes(seen),
        )
      }
    }
  })

  it('as projectId of a query is refused by name on every route', async () => {
    for (const [method, url] of ROUTES.filter(([, each]) => !each.endsWith('pull-request'))) {
      const path = url.replaceAll(/\{(\w+)\}/g, (_, name: string) => GOOD[name] ?? '')
      for (const [what, id] of Object.entries(BAD).filter(([name, each]) => each.isWellFormed() && name !== 'a million letters')) {
        const { status, text } = await raw(method, `${path}?projectId=${encodeURIComponent(id)}`)
        expect({ status, named: text.includes('projectId') }, `${method} ${url} ${what} ${text.slice(0, 300)}`).toEqual({ status: 400, named: true })
      }
    }
  })

  it('as scope of a command is refused by name', async () => {
    for (const field of ['clientId', 'userId', 'projectId'])
      for (const id of ['..', 'a/b', '__proto__', 'a.lock', 'a\0', '\u0430'])
        expect((await raw('GET', `/api/commands/x?${field}=${encodeURIComponent(id)}`)).text, field).toContain(`${field}: `)
    for (const id of ['%2e%2e%2fx', '__proto__', 'constructor']) expect((await raw('GET', `/api/commands/${id}`)).status).toBe(404)
    expect((await raw('GET', '/api/commands/a%20b')).text).toContain('commandId: ')
  })

  it('of a million letters in an address is refused, and the next request is served', async () => {
    for (const path of ['/api/threads/acme/', '/api/threads/acme/me?projectId=']) {
      expect((await raw('GET', path + 'a'.repeat(20_000))).status).toBe(431)
      // The service hangs up before it has read that much; whether its answer arrives is up to the system.
      expect([0, 431]).toContain((await raw('GET', path + 'a'.repeat(1_000_000)).catch(() => ({ status: 0 }))).status)
    }
    expect((await raw('GET', '/health')).status).toBe(200)
  })

  it('as a field that every object has is not a field of a request', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const text = JSON.stringify({ ...GOOD, instruction: 'hello', wait: false }).replace('{', `{${JSON.stringify(name)}:{"threadId":"other","polluted":true},`)
      const answer = await fetch(`${service.url}/api/execute`, { method: 'POST', body: text, headers: { 'content-type': 'application/json' } })
      expect({ status: answer.status, named: (await answer.text()).includes(name) }, name).toEqual({ status: 400, named: true })
    }
  })
})

it('ids that name what every object has, or what git and systems give a meaning, are ids like others', async () => {
  const projects = clientOf(service, 'constructor')
  for (const [at, id] of ['constructor', 'toString', 'hasOwnProperty', 'HEAD', 'con'].entries()) {
    const { status, body } = await client.call('POST', '/api/init', { clientId: 'valueOf', userId: 'constructor', projectId: id, threadId: id })
    expect({ status, branch: body.branch }, id).toEqual({ status: 200, branch: `thread-${id}` })
    expect((await projects.call('GET', `/api/threads/valueOf/constructor?projectId=${id}`)).body.threads, String(at)).toHaveLength(1)
  }
})

it('ids that differ only in letter case share neither a folder nor a branch, in any place of an address', async () => {
  const open = async (ids: object): Promise<{ projectPath: string; branch: string; userPath: string }> =>
    (await client.call('POST', '/api/init', { clientId: 'twin', userId: 'twin', projectId: 'twin', threadId: 'twin', ...ids })).body.workspace
  const opened = [await open({})]
  for (const field of fields) opened.push(await open({ [field]: 'TWIN' }), await open({ [field]: 'Twin' }))
  const folded = (values: readonly string[]): number => new Set(values.map((value) => value.toLowerCase())).size
  expect(folded(opened.map(({ projectPath }) => projectPath))).toBe(opened.length)
  expect(folded(opened.map(({ branch }) => branch))).toBe(3)
  expect(folded(opened.map(({ userPath }) => userPath))).toBe(5)
  expect((await open({ threadId: 'TWIN' })).branch).toBe(opened.at(-2)?.branch)
})

/** A request whose path arrives as it is written: `fetch` would resolve the dots in it. */
async function raw(method: string, path: string): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port } = new URL(service.url)
  const asked = request({ hostname, port, method, path, headers: method === 'POST' ? { 'content-type': 'application/json' } : {} }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  asked.on('error', () => {}) // the answer is there; that its connection ends early is not asked about
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return { status: answer.statusCode ?? 0, text }
}
