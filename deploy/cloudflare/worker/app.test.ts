import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

const TOKEN = { authorization: 'Bearer CANARY-worker-token-41d7', 'content-type': 'application/json' }
const call = (path: string, init: RequestInit = {}): Promise<Response> => exports.default.fetch(new Request(`http://worker${path}`, init))
const post = (path: string, body: unknown): Promise<Response> => call(path, { method: 'POST', headers: TOKEN, body: JSON.stringify(body) })

let privateKey = ''
beforeAll(async () => {
  const pair = await crypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  )
  if (!('privateKey' in pair)) throw new Error('no pair of keys')
  const der = await crypto.subtle.exportKey('pkcs8', pair.privateKey)
  if (!(der instanceof ArrayBuffer)) throw new Error('no key')
  privateKey = `-----BEGIN PRIVATE KEY-----\n${btoa(String.fromCharCode(...new Uint8Array(der)))}\n-----END PRIVATE KEY-----\n`
})
afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

describe('routes', () => {
  it('say what there is, and how the Worker stands', async () => {
    expect(await (await call('/')).json()).toMatchObject({ name: 'branchline', environment: 'development', links: expect.arrayContaining(['/webhook/github']) })
    expect(await (await call('/health')).json()).toMatchObject({ status: 'healthy', app: false, containers: { held: 0, waiting: 0 }, problems: [] })
  })

  it.each([
    ['GET', '/nowhere', 404],
    ['DELETE', '/', 405],
    ['GET', '/webhook/github', 405],
    ['GET', '/config', 401],
    ['POST', '/container/process', 401],
    ['GET', '/container/health', 401],
    ['GET', '/container/jobs/1/x', 401],
    ['GET', '/container/events/1/issue-1', 401],
  ])('%s %s answers %i in words', async (method, path, status) => {
    const answer = await call(path, { method })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
    expect(await answer.json()).toMatchObject({ success: false, status, detail: expect.any(String) })
  })

  it.each([['Bearer '], ['Bearer CANARY-worker-token-41d8'], ['Basic CANARY-worker-token-41d7'], ['CANARY-worker-token-41d7']])(
    'the token %j is none',
    async (authorization) => {
      expect((await call('/config', { headers: { authorization } })).status).toBe(401)
    },
  )

  it('refuse what they do not take, by its field', async () => {
    expect(await (await post('/config', {})).json()).toMatchObject({ status: 400 })
    expect(await (await post('/config', { appId: 1, secret: 'x' })).json()).toMatchObject({
      errors: [{ pointer: '#/secret', detail: 'is not a field of this request' }],
    })
    expect(await (await post('/config', { webhookSecret: '' })).json()).toMatchObject({ detail: expect.stringContaining('at least 16 characters') })
    expect(await (await post('/container/process', { type: 'process_issue', payload: {}, config: { maxCostUsd: -1 } })).json()).toMatchObject({
      errors: [{ pointer: '#/config/maxCostUsd', detail: 'must be more than 0' }],
    })
    expect((await call('/config', { method: 'POST', headers: { ...TOKEN, 'content-type': 'text/plain' }, body: '{}' })).status).toBe(415)
    expect((await post('/config', { privateKey: 'x'.repeat(2_000_000) })).status).toBe(413)
    expect((await call('/container/jobs/..%2F1/x', { headers: TOKEN })).status).toBe(400)
    expect((await post('/container/process', { type: 'process_issue', payload: {} })).status).toBe(400)
  })

  it('answer a webhook 503 where no app is set up: GitHub shows it as failed, and it can be sent again', async () => {
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'ping',
      'x-github-delivery': 'aaaaaaaa-1111',
      'x-hub-signature-256': `sha256=${'a'.repeat(64)}`,
    }
    expect((await call('/webhook/github', { method: 'POST', headers, body: '{}' })).status).toBe(503)
  })
})

describe('the GitHub App', () => {
  it('is kept sealed: its object holds none of it as it is, and no answer shows it', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('nothing can be reached'))
    const answer = await post('/config', { appId: 12, privateKey, webhookSecret: 'CANARY-webhook-secret' })
    const shown = await answer.text()
    expect(JSON.parse(shown)).toMatchObject({
      success: true,
      configured: true,
      appId: '12',
      webhookSecrets: 1,
      privateKey: { fingerprint: expect.stringMatching(/^SHA256:/) },
    })
    const kept = await runInDurableObject(env.GITHUB_APP.getByName('app'), (_, { storage }) => JSON.stringify([...storage.kv.list()]))
    for (const secret of ['CANARY-webhook-secret', privateKey.split('\n')[1]?.slice(0, 60) ?? '']) {
      expect(kept).not.toContain(secret)
      expect(shown).not.toContain(secret)
    }
    expect(kept).toContain('sealed')
  })

  it('that another key sealed is a problem which is named, and can be forgotten and entered again', async () => {
    await post('/config', { appId: 12, webhookSecret: 'CANARY-webhook-secret' })
    await runInDurableObject(env.GITHUB_APP.getByName('app'), (_, { storage }) => {
      const kept = String(storage.kv.get('vault'))
      expect(kept).toContain('"keyId": "')
      storage.kv.put('vault', kept.replaceAll(/"keyId": "[^"]+"/g, '"keyId": "another"'))
    })
    await evictDurableObject(env.GITHUB_APP.getByName('app'))
    const health = await call('/health')
    expect([health.status, await health.json()]).toEqual([
      503,
      expect.objectContaining({ status: 'misconfigured', problems: [expect.stringMatching(/^VAULT_KEY: .*config clear/s)] }),
    ])
    for (const answer of [await call('/config', { headers: TOKEN }), await post('/config', { appId: 13 })])
      expect([answer.status, await answer.json()]).toEqual([503, expect.objectContaining({ detail: expect.stringContaining('VAULT_KEY') })])
    expect((await call('/config', { method: 'DELETE', headers: TOKEN })).status).toBe(200)
    expect(await (await post('/config', { appId: 13, webhookSecret: 'CANARY-another-secret' })).json()).toMatchObject({ configured: false, appId: '13' })
  })

  it('is forgotten when that is wanted', async () => {
    await post('/config', { appId: 12, webhookSecret: 'CANARY-webhook-secret' })
    expect(await (await call('/config', { method: 'DELETE', headers: TOKEN })).json()).toMatchObject({ configured: false, webhookSecrets: 0 })
  })
})
