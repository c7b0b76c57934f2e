import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startBedrock, type FakeBedrock } from '../support/bedrock.ts'
import { clientOf, type Client } from '../support/client.ts'
import { noSeparateUsers } from '../support/separate.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'CANARY-aws-secret-4c1d', sessionToken: 'CANARY-aws-session-9e2b' }
const separate = noSeparateUsers()
const PROFILE = 'arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0'

let [model, bedrock, service, client]: [Model, FakeBedrock, Service, Client] = [undefined!, undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  bedrock = await startBedrock({ region: 'eu-central-1', ...KEYS, model: model.url })
  service = await startService({
    env: {
      CLAUDE_CODE_USE_BEDROCK: '1',
      AWS_REGION: 'eu-central-1',
      ANTHROPIC_BEDROCK_BASE_URL: bedrock.url,
      ANTHROPIC_MODEL: PROFILE,
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      AWS_SESSION_TOKEN: KEYS.sessionToken,
    },
  })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await bedrock[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

it('the real Claude Code edits on a model of Amazon Bedrock, streamed and signed', async () => {
  expect(await client.run('a', 'write a.txt: one then run git status --short')).toMatchObject({ success: true, filesChanged: ['a.txt'] })
  expect(await client.run('a', 'write a.txt: two')).toMatchObject({ success: true, filesChanged: ['a.txt'] })
  expect(await client.git('show', 'thread-a:a.txt')).toBe('two')
  expect(bedrock.requests.length).toBeGreaterThan(3)
  const path = `/model/${encodeURIComponent(PROFILE)}/invoke-with-response-stream`
  expect(bedrock.requests.filter(({ url, problem }) => url !== path || problem !== undefined)).toEqual([])
})

it('no AWS credential reaches an agent, and its pass is worth nothing to Amazon', async () => {
  const { summary } = await client.run('b', 'run env; cat /proc/$PPID/environ')
  expect(summary).toContain('ANTHROPIC_BEDROCK_BASE_URL=http://127.0.0.1:')
  expect(summary).not.toMatch(/AKIDEXAMPLE|AWS_(ACCESS|SECRET|SESSION)/)
  expect(JSON.stringify(bedrock.requests.map(({ headers }) => headers))).not.toContain('pass-')
})

it('no AWS credential reaches a build', async () => {
  const manifest = { name: 'x', scripts: { build: 'env | grep -q ^PATH= && ! env | grep -q ^AWS_' } }
  await client.run('c', `write package.json: ${JSON.stringify(manifest)}`)
  expect(await client.run('c', '', { type: 'build' })).toMatchObject({ success: true })
})

it(`the role of a container is the broker's alone${separate === undefined ? '' : ` (without users of their own: ${separate})`}`, async () => {
  const asked: string[] = []
  const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token } = KEYS
  const role = createServer((request, answer) => {
    asked.push(request.url ?? '')
    answer
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token, Expiration: new Date(Date.now() + 3_600_000).toISOString() }))
  })
  role.listen(0, '127.0.0.1')
  await once(role, 'listening')
  const address = role.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/v2/credentials/CANARY-role-address`
  try {
    await using container = await startService({
      env: {
        CLAUDE_CODE_USE_BEDROCK: '1',
        AWS_REGION: 'eu-central-1',
        ANTHROPIC_BEDROCK_BASE_URL: bedrock.url,
        ANTHROPIC_MODEL: PROFILE,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: url,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    })
    const before = bedrock.requests.length
    const hunt = separate === undefined ? "; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep CREDENTIALS" : ''
    const { success, summary } = await clientOf(container).run('role', `run env${hunt}; true`)
    expect(success).toBe(true)
    expect(summary).not.toMatch(/CANARY-role|AWS_CONTAINER|AKIDEXAMPLE/)
    expect(new Set(asked)).toEqual(new Set(['/v2/credentials/CANARY-role-address']))
    const since = bedrock.requests.slice(before)
    expect(since.length).toBeGreaterThan(1)
    expect(since.flatMap(({ problem }) => problem ?? [])).toEqual([])
  } finally {
    role.close()
  }
})

it('the service does not start without AWS credentials, and says why', () => {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    PORT: '0',
    WORKSPACE_PATH: `${service.workspace}-other`,
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const { status, stderr, stdout } = spawnSync(process.execPath, [main], {
    env: { ...env, CLAUDE_CODE_USE_BEDROCK: '1', AWS_REGION: 'us-east-1' },
    encoding: 'utf8',
  })
  expect(status).not.toBe(0)
  expect(`${stdout}${stderr}`).toContain('CLAUDE_CODE_USE_BEDROCK: no AWS credentials were found')
})
