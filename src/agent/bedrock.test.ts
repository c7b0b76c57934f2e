import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { startBedrock, type FakeBedrock } from '../../test/support/bedrock.ts'
import { someAccount } from '../../test/support/account.ts'
import { openLog } from '../observe/log.ts'
import { Bedrock, bedrockEndpoint, bedrockModel, NoAwsCredentials } from './bedrock.ts'
import { Broker, type Pass } from './broker.ts'

const REGION = 'eu-central-1'
const PROFILE = 'arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0'

let [bedrock, broker, pass]: [FakeBedrock, Broker, Pass] = [undefined!, undefined!, undefined!]

async function open(bearer?: string): Promise<void> {
  broker = new Broker(new Bedrock({ kind: 'bedrock', url: `${bedrock.url}/base`, region: REGION, bearer }), {
    log: openLog('silent', (text) => text),
    silenceMs: 60_000,
    networkEnv: {},
  })
  await broker.start()
  pass = broker.pass()
  pass.open(someAccount())
}

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'a secret key')
  vi.stubEnv('AWS_SESSION_TOKEN', 'a session/token+=')
  bedrock = await startBedrock({ region: REGION, accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a secret key', sessionToken: 'a session/token+=' })
  await open()
})
afterEach(async () => {
  await broker[Symbol.asyncDispose]()
  await bedrock[Symbol.asyncDispose]()
  vi.unstubAllEnvs()
})

const ask = (path: string, body = '{"messages":[]}', method = 'POST'): Promise<Response> =>
  fetch(`${broker.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${pass.token}`,
      'content-type': 'application/json',
      'x-amz-security-token': 'of the agent',
      'x-amz-date': '20200101T000000Z',
    },
    ...(method === 'POST' ? { body } : {}),
  })

it.each([
  ['eu.anthropic.claude-opus-5-5', 'eu.anthropic.claude-opus-5-5'],
  ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'us.anthropic.claude-sonnet-4-5-20250929-v1%3A0'],
  [PROFILE.replace('/', '%2F'), encodeURIComponent(PROFILE)],
  [encodeURIComponent(PROFILE), encodeURIComponent(PROFILE)],
])('a request for %s is signed as it is sent', async (model, sent) => {
  for (const verb of ['invoke', 'invoke-with-response-stream']) expect((await ask(`/model/${model}/${verb}`, '{"messages":["ü"]}')).status).toBe(200)
  expect(bedrock.requests.map(({ url }) => url)).toEqual([`/base/model/${sent}/invoke`, `/base/model/${sent}/invoke-with-response-stream`])
  expect(bedrock.requests.map(({ problem, body }) => [problem, body])).toEqual([1, 2].map(() => [undefined, '{"messages":["ü"]}']))
  expect(JSON.stringify(bedrock.requests)).not.toContain(pass.token)
  expect(JSON.stringify(bedrock.requests)).not.toContain('of the agent')
})

it('a request that is signed with another key is refused', async () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'another key')
  await broker[Symbol.asyncDispose]()
  await open()
  expect((await ask('/model/a-model/invoke')).status).toBe(403)
  expect(bedrock.requests[0]?.problem).toContain('signature')
})

it('a key of Bedrock stands for a signature', async () => {
  await broker[Symbol.asyncDispose]()
  await open('a key of Bedrock')
  await ask('/model/a-model/invoke')
  expect(bedrock.requests).toMatchObject([{ headers: { authorization: 'Bearer a key of Bedrock' } }])
  expect(bedrock.requests[0]?.headers).not.toHaveProperty('x-amz-security-token')
})

it('credentials that cannot be found are told', async () => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, '')
  for (const [name, value] of Object.entries({ AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' })) vi.stubEnv(name, value)
  const access = { kind: 'bedrock', url: bedrock.url, region: REGION } as const
  await expect(new Bedrock({ ...access, bearer: undefined }).check()).rejects.toThrow(NoAwsCredentials)
  await expect(new Bedrock({ ...access, bearer: 'x' }).check()).resolves.toBeUndefined()
})

it('a request that is too large to be signed is refused', async () => {
  expect((await ask('/model/a-model/invoke', 'x'.repeat(33 * 1024 * 1024))).status).toBe(413)
  expect(bedrock.requests).toEqual([])
})

it.each([
  ['GET', '/model/a-model/invoke'],
  ['GET', '/inference-profiles?type=SYSTEM_DEFINED'],
  ['POST', '/v1/messages'],
  ['POST', '/model/a-model/converse'],
  ['POST', '/model/a-model/invoke?x=1'],
  ['POST', '/model/a-model/invoke/../../../x/invoke'],
  ['POST', '/model/a%2F..%2Fb/invoke'],
  ['POST', '/model/../invoke'],
  ['POST', '/model/%2e%2e/invoke'],
  ['POST', '/model/a//invoke'],
  ['POST', '/model/a%zz/invoke'],
  ['POST', '/model/a%0d%0ab/invoke'],
  ['POST', '/model/a%252Fb/invoke'],
  ['POST', '//host/model/a/invoke'],
  ['POST', 'http://host/model/a/invoke'],
])('%s %s is no request for a model', (method, target) => expect(bedrockEndpoint(method, target)).toBeUndefined())

it('the model of a request is told as it is known', () => {
  expect(bedrockModel(bedrockEndpoint('POST', `/model/${encodeURIComponent(PROFILE)}/invoke`) ?? '')).toBe(PROFILE)
})
