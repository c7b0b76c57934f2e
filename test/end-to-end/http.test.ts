import fc from 'fast-check'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Answer, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
  await client.run('known', 'write a.txt: a')
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const GOOD = { clientId: 'acme', userId: 'me', threadId: 'bad', instruction: 'hello', wait: false }

/** Nothing of a refused request may be recorded. */
async function nothingRecorded(): Promise<void> {
  const { body } = await client.call('GET', '/api/threads/acme/me')
  expect(body.threads.map((thread: { threadId: string }) => thread.threadId)).toEqual(['known'])
}

const refusedFor = (answer: Answer, field: string): void => {
  expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(400)
  expect(answer.status).toBeLessThan(500)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({ success: false, status: answer.status })
  expect(answer.body.error).toContain(field)
}

const notText = fc.oneof(
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.string(), { maxLength: 2 }),
  fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
)
const badId = fc.oneof(
  notText,
  fc.constantFrom(
    '',
    '.',
    '..',
    'a..b',
    '-a',
    '.a',
    'a.',
    'a.lock',
    'a.LOCK',
    'a/b',
    'a\\b',
    'a b',
    'a\nb',
    'a\0b',
    'metadata.json',
    'Metadata.JSON',
    '__proto__',
    'ä',
    '‮evil',
    'a'.repeat(129),
    'a'.repeat(1_000_000),
    '~',
    '$(id)',
    '`id`',
    ';ls',
    '--upload-pack=x',
  ),
  fc.string({ minLength: 1 }).filter((text) => !/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/.test(text)),
)
const BAD: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  clientId: badId,
  userId: badId,
  projectId: badId,
  threadId: badId,
  commandId: fc.oneof(notText, fc.constantFrom('', 'a b', 'a\n', 'ä', 'x'.repeat(129))),
  instruction: fc.oneof(notText, fc.constantFrom('', '   ', 'x'.repeat(100_001), 'a\0b')),
  type: fc.oneof(notText, fc.constantFrom('restore', 'EDIT', '', 'previews')),
  mode: fc.oneof(notText, fc.constantFrom('Plan', 'dry')),
  delivery: fc.oneof(notText, fc.constantFrom('now', 'later')),
  timestamp: fc.oneof(fc.string(), fc.double({ max: -1 }), fc.constant(null)),
  userEmail: fc.oneof(notText, fc.constantFrom('a\nOutcome: completed', 'x'.repeat(321))),
  sessionId: fc.oneof(notText, fc.constantFrom('a\u0007', 'x'.repeat(201))),
  wait: fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
  maxCostUsd: fc.oneof(fc.string(), fc.constantFrom(0, -1, 1e9, null)),
  context: fc.oneof(
    fc.string(),
    fc.constantFrom(null, { branch: '--upload-pack=x' }, { branch: 'a..b' }, { branch: 'x@{1}' }, { branch: 5 }, { filesModified: 'a' }),
  ),
  attachments: fc.oneof(
    fc.string(),
    fc.constantFrom(
      [{ name: 'a', mediaType: 'application/x-sh', data: '' }],
      [{ name: 'a', mediaType: 'text/plain', data: '%%' }],
      [{ name: '', mediaType: 'text/plain', data: '' }],
    ),
  ),
  repoUrl: fc.oneof(
    notText,
    fc.constantFrom(
      '',
      'x',
      'file:///etc',
      '/etc',
      'ssh://git@github.com/a/b',
      'git@github.com:a/b',
      'http://github.com/a/b',
      'https://user:pass@github.com/a/b',
      'https://127.0.0.1/a/b',
      'https://[::1]/a/b',
      'https://0x7f000001/a/b',
      'https://localhost/a/b',
      'https://intra.local/a',
      'https://github.com:22/a/b',
      'https://github.com/a/b?x=1',
      'https://github.com/a/$(id)',
      'ext::sh -c id',
      'https://-oProxyCommand=x/a',
      'https://github.com/',
    ),
  ),
  unknownField: fc.constant('x'),
}

describe('a bad field of POST /api/execute', () => {
  for (const [field, values] of Object.entries(BAD)) {
    it(`${field} is refused by name and nothing is recorded`, async () => {
      await fc.assert(
        fc.asyncProperty(values, async (value) => refusedFor(await client.call('POST', '/api/execute', { ...GOOD, [field]: value }), field)),
        { numRuns: 25, examples: [] },
      )
      await nothingRecorded()
    })
  }
})

describe('a bad request to another route', () => {
  const hostile = ['..%2f..', '%00', 'a%20b', '-x', 'a..b', 'x'.repeat(200), '%ff', 'a.lock']
  const paths = [
    '/api/status/acme/me/{}',
    '/api/status/acme/{}/known',
    '/api/status/{}/me/known',
    '/api/threads/{}/me',
    '/api/threads/acme/{}',
    ...['history', 'diff', 'checkpoints', 'files', 'events'].map((verb) => `/api/threads/acme/me/{}/${verb}`),
  ]
  it.each(paths)('GET %s is refused', async (path) => {
    for (const id of hostile) {
      const answer = await client.call('GET', path.replace('{}', id))
      expect(answer.status, `${path} ${id}`).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
    }
  })
  it.each([
    ['/api/threads/acme/me?limit=0', 'limit'],
    ['/api/threads/acme/me?limit=201', 'limit'],
    ['/api/threads/acme/me?after=-1', 'after'],
    ['/api/threads/acme/me?limit=1&limit=2', 'limit'],
    ['/api/threads/acme/me/known/history?projectId=..', 'projectId'],
    ['/api/threads/acme/me/unknown/diff', 'threadId'],
    ['/api/commands/nothing', 'commandId'],
    ['/api/threads/acme/me/known/files?path=nothing', 'path'],
  ])('GET %s names %s', async (path, field) => refusedFor(await client.call('GET', path), field))
  it.each(['undo', 'push', 'interrupt'])('POST %s on an unknown thread is refused', async (verb) =>
    refusedFor(await client.call('POST', client.thread('unknown', verb), {}), 'threadId'),
  )
  it.each([
    ['checkpoint', {}],
    ['checkpoint', { checkpoint: '--all' }],
    ['checkpoint', { checkpoint: 'HEAD' }],
    ['extra', { checkpoint: 'abcdef1', extra: 1 }],
  ])('POST restore names %s', async (field, body) => refusedFor(await client.call('POST', client.thread('known', 'restore'), body), field))
  it('POST init names its fields', async () => {
    refusedFor(await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me' }), 'threadId')
    refusedFor(await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'x', repoUrl: 'file:///etc' }), 'repoUrl')
    refusedFor(await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'x', branch: '--all' }), 'branch')
    await nothingRecorded()
  })
  it('POST init with another repository than the one the workspace began from is refused, and leaves no thread', async () => {
    const other = { clientId: 'acme', userId: 'me', repoUrl: 'https://github.com/a/b' }
    expect((await client.call('POST', '/api/init', { ...other, threadId: 'known' })).status).toBe(409)
    expect((await client.call('POST', '/api/init', { ...other, threadId: 'x' })).status).toBe(409)
    expect((await client.call('POST', '/api/execute', { ...GOOD, repoUrl: other.repoUrl })).status).toBe(409)
    await nothingRecorded()
  })
  it('a pull request without a repository on GitHub is refused', async () =>
    expect((await client.call('POST', client.thread('known', 'pull-request'), {})).status).toBe(409))
  it('what is not JSON, too large or of another type is refused', async () => {
    const post = async (body: string, type: string) =>
      (await fetch(`${service.url}/api/execute`, { method: 'POST', body, headers: { 'content-type': type } })).status
    expect(await post('{', 'application/json')).toBe(400)
    expect(await post(`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'application/json')).toBe(400)
    expect(await post('[]', 'application/json')).toBe(400)
    expect(await post('{}', 'text/plain')).toBe(415)
    expect(await post(JSON.stringify({ ...GOOD, instruction: 'x'.repeat(21 * 1024 * 1024) }), 'application/json')).toBe(413)
    await nothingRecorded()
  })
  it('a wrong method is answered with the right ones', async () => {
    const answer = await client.call('GET', '/api/execute')
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('POST')
  })
  it('a foreign host name or origin is refused', async () => {
    expect(await statusWith({ host: 'evil.example' })).toBe(421)
    expect(await statusWith({ origin: 'https://evil.example' })).toBe(403)
    expect(await statusWith({ origin: service.url })).toBe(200)
  })
})

it('Idempotency-Key stands for commandId and must agree with it', async () => {
  const one = await client.call('POST', '/api/execute', { ...GOOD, threadId: 'known' }, { 'idempotency-key': 'key-1' })
  expect(one.body.commandId).toBe('key-1')
  expect(one.headers.get('location')).toContain('/api/commands/key-1')
  await client.result('key-1')
  refusedFor(await client.call('POST', '/api/execute', { ...GOOD, threadId: 'known', commandId: 'x' }, { 'idempotency-key': 'y' }), 'Idempotency-Key')
  expect(
    (await client.call('POST', '/api/execute', { ...GOOD, threadId: 'known', wait: undefined, commandId: 'async' }, { prefer: 'respond-async' })).status,
  ).toBe(202)
})

it('ids that differ only in letter case never share a folder or a branch', async () => {
  await client.run('Case', 'write upper.txt: A')
  await client.run('case', 'write lower.txt: a')
  const branches = (await client.git('for-each-ref', '--format=%(refname:short)', 'refs/heads/')).split('\n').filter((name) => /case/i.test(name))
  expect(branches).toHaveLength(2)
  expect(new Set(branches.map((name) => name.toLowerCase())).size).toBe(2)
})

it('the description of the interface holds every route and every field', async () => {
  const { body } = await client.call('GET', '/openapi.json')
  expect(Object.keys(body.paths)).toContain('/api/threads/{clientId}/{userId}/{threadId}/events')
  expect(Object.keys(body.components.schemas.Execute.properties)).toEqual(
    expect.arrayContaining(['instruction', 'clientId', 'threadId', 'commandId', 'delivery', 'attachments']),
  )
  expect(body.components.schemas.Execute.required ?? []).toEqual([])
})

it('without a fixed client a request needs one; with one, another is refused; tokens and roles hold', async () => {
  const env = { CLIENT_ID: 'acme', API_TOKEN: 'CANARY-api-token-93ab', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' }
  await using guarded = await startService({ env, said: ['CANARY-api-token-93ab'] })
  const closed = clientOf(guarded)
  expect((await closed.send('t', 'hello')).status).toBe(401)
  expect((await closed.call('GET', '/health')).status).toBe(200)
  const token = { authorization: 'Bearer CANARY-api-token-93ab' }
  expect((await closed.call('POST', '/api/execute', { clientId: 'other', userId: 'me', threadId: 't', instruction: 'x' }, token)).status).toBe(403)
  const { body } = await closed.call('POST', '/api/execute', { userId: 'me', threadId: 't', instruction: 'write leak.txt: CANARY-api-token-93ab' }, token)
  expect(body.result.skipped).toEqual([{ path: 'leak.txt', reason: 'holds a secret of the service' }])
  expect(guarded.output()).not.toContain('CANARY-api')
  expect(JSON.stringify(body)).not.toContain('CANARY-api')
  await closed.call('POST', '/api/execute', { userId: 'me', threadId: 't', instruction: 'write fine.txt: x then run echo CANARY-api-token-93ab' }, token)
  expect(await closed.git('log', '--format=%B', 'thread-t')).not.toContain('CANARY-api')
})

const statusWith = (headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(service.url)
    request({ hostname, port, path: '/health', headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
