import { createHmac, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { branchline } from '../support/command-line.ts'
import { answersOf, githubEnv, progressOf, VAULT_KEY, withGitHub, type WithGitHub } from '../support/issues.ts'
import { startGitHub } from '../support/github/github.ts'
import { startService } from '../support/service.ts'

const API_TOKEN = 'CANARY-api-token-71c2'
let on: WithGitHub
beforeAll(async () => {
  on = await withGitHub()
})
afterAll(() => on[Symbol.asyncDispose]())

const signed = (body: string | Buffer, secret = on.github.app.webhookSecret): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
const headers = (body: string | Buffer, more: Record<string, string | undefined> = {}): Record<string, string> => {
  const all = {
    'content-type': 'application/json',
    'x-github-event': 'issues',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': signed(body),
    ...more,
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
const hook = async (body: string | Buffer, more: Record<string, string | undefined> = {}): Promise<Response> =>
  fetch(`${on.service.url}/webhook/github`, { method: 'POST', body, headers: headers(body, more) })
const residentMb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${on.service.pid}/status`, 'utf8'))?.[1]) / 1024

describe('a webhook', () => {
  const ping = '{"zen":"x","hook_id":1}'
  it('that is signed and a ping is answered 200; of no interest, 202', async () => {
    expect((await hook(ping, { 'x-github-event': 'ping' })).status).toBe(200)
    expect((await hook('{"action":"started"}', { 'x-github-event': 'star' })).status).toBe(202)
  })

  it.each([
    ['without a signature', { 'x-hub-signature-256': undefined }, 401],
    ['with that of another secret', { 'x-hub-signature-256': `sha256=${'a'.repeat(64)}` }, 401],
    ['signed by SHA-1 alone', { 'x-hub-signature-256': undefined, 'x-hub-signature': `sha1=${'a'.repeat(40)}` }, 401],
    ['with a signature that is none', { 'x-hub-signature-256': 'sha256=zz' }, 401],
    ['without an id', { 'x-github-delivery': undefined }, 400],
    ['with an id that is none', { 'x-github-delivery': '../../etc/passwd' }, 400],
    ['without the name of its event', { 'x-github-event': undefined }, 400],
    ['as a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['that is compressed', { 'content-encoding': 'gzip' }, 415],
  ])('%s is refused', async (_, more, status) => {
    const answer = await hook(ping, { 'x-github-event': 'ping', ...more })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ success: false })
  })

  it('whose signature is of other bytes is refused, each of them; nothing of it is recorded', async () => {
    const body = JSON.stringify({ action: 'opened', marker: 'CHANGED' })
    for (let at = 0; at < body.length; at += 1) {
      const changed = Buffer.from(body)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect((await hook(changed, { 'x-hub-signature-256': signed(body) })).status).toBe(401)
    }
    expect(on.service.output()).not.toContain('CHANGED')
  })

  it('that is signed and no JSON is refused', async () => {
    for (const body of ['', '{', 'x', `${'['.repeat(100_000)}`]) expect([202, 400]).toContain((await hook(body)).status)
  })

  it('that is too large is refused, also without a length, and memory stays flat', async () => {
    const before = residentMb()
    const large = Buffer.alloc(26 * 1024 * 1024, 'a')
    const flood = Array.from({ length: 12 }, async () => {
      const answer = await hook(large, { 'x-hub-signature-256': `sha256=${'a'.repeat(64)}` }).catch(() => undefined) // cut off while it is sent
      return answer?.status ?? 413
    })
    expect(new Set(await Promise.all(flood))).toEqual(new Set([413]))
    const chunked = new Promise<number>((resolve) => {
      const request = send(`${on.service.url}/webhook/github`, { method: 'POST', headers: { ...headers(''), 'transfer-encoding': 'chunked' } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      request.on('error', () => resolve(413)) // as above
      for (let at = 0; at < 27; at += 1) request.write(Buffer.alloc(1024 * 1024, 'a'))
      request.end()
    })
    expect(await chunked).toBe(413)
    const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024))
    expect((await hook(bomb, { 'content-encoding': 'gzip' })).status).toBe(415)
    expect(residentMb() - before).toBeLessThan(150)
  })

  it('that comes drop by drop is let go after ten seconds, and others are served meanwhile', async () => {
    const slow = new Promise<number>((resolve) => {
      const request = send(
        `${on.service.url}/webhook/github`,
        { method: 'POST', headers: { ...headers(ping), 'content-length': String(ping.length) } },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        },
      )
      request.on('error', () => resolve(0))
      request.write(ping.slice(0, 5))
    })
    expect((await hook(ping, { 'x-github-event': 'ping' })).status).toBe(200)
    expect(await slow).toBe(408)
  })

  it('is recorded once, however often it is sent, and after a restart too', async () => {
    const { github, service } = on
    const { number, guid } = await github.openIssue({ title: 'Once', body: 'write once.txt: once' })
    await expect.poll(() => progressOf(github, number)).toContain('**Done:**')
    const before = github.requests.length
    const delivered = github.deliveries.find((each) => each.guid === guid)
    const payload = JSON.stringify(delivered?.payload)
    const again = async (id: string): Promise<unknown> => (await hook(payload, { 'x-github-delivery': id })).json()
    expect(new Set(await Promise.all(Array.from({ length: 500 }, async () => JSON.stringify(await again(guid)))))).toEqual(
      new Set(['{"success":true,"message":"known already"}']),
    )
    await service.restart()
    github.sendTo(`${service.url}/webhook/github`)
    expect(await again(guid)).toMatchObject({ message: 'known already' })
    expect(await again(randomUUID())).toMatchObject({ message: 'known already' }) // another delivery of the same thing
    const { number: next } = await github.openIssue({ title: 'Next', body: 'hello' })
    await expect.poll(() => progressOf(github, next)).toContain('**Answered.**')
    expect(github.requests.slice(before).filter(({ path }) => path.endsWith(`/issues/${number}/comments`))).toEqual([])
  })
})

it('webhooks that were missed are found in the delivery log, in their order, and those that arrived are left alone', async () => {
  const { github, service } = on
  await service.terminate()
  const { number } = await github.openIssue({ title: 'Missed', body: 'write missed.txt: one', lost: true })
  await github.comment(number, { body: 'write missed.txt: two', lost: true })
  await service.restart({ GITHUB_MISSED_SECONDS: '1' })
  github.sendTo(`${service.url}/webhook/github`)
  await expect.poll(() => progressOf(github, number)).toContain('**Done:**')
  expect(answersOf(github, number).length).toBeLessThanOrEqual(1)
  await service.restart({ GITHUB_MISSED_SECONDS: '0' })
  github.sendTo(`${service.url}/webhook/github`)
})

describe('the vault', () => {
  it('shows what is safe and nothing else, keeps what is left out, and takes several secrets', async () => {
    const { client, github, service } = on
    const shown = await client.call('GET', '/config')
    expect(shown.body).toEqual({
      success: true,
      configured: true,
      appId: String(github.app.id),
      privateKey: { fingerprint: expect.stringMatching(/^SHA256:/) },
      webhookSecrets: 1,
      slug: github.app.slug,
    })
    const kept = readFileSync(`${service.workspace}/.branchline/vault.json`, 'utf8')
    for (const secret of [github.app.webhookSecret, github.app.privateKey.split('\n')[4] ?? '']) expect(kept).not.toContain(secret)
    const another = 'another-secret-of-webhooks'
    expect((await client.call('POST', '/config', { webhookSecret: [another, github.app.webhookSecret] })).body).toMatchObject({
      configured: true,
      webhookSecrets: 2,
    })
    const body = '{"zen":"x"}'
    for (const secret of [another, github.app.webhookSecret])
      expect((await hook(body, { 'x-github-event': 'ping', 'x-hub-signature-256': signed(body, secret) })).status).toBe(200)
    await client.call('POST', '/config', { webhookSecret: github.app.webhookSecret })
    expect((await hook(body, { 'x-github-event': 'ping', 'x-hub-signature-256': signed(body, another) })).status).toBe(401)
  })

  it.each([
    [{}, 'body'],
    [{ privateKey: 'x' }, 'privateKey: must be an RSA private key'],
    [{ webhookSecret: 'short' }, 'webhookSecret'],
    [{ appId: 'a b' }, 'appId'],
    [{ installationId: -1 }, 'installationId'],
    [{ token: 'x' }, 'token: is not a field'],
  ])('refuses %j and changes nothing', async (body, why) => {
    const answer = await on.client.call('POST', '/config', body)
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining(why)])
    expect((await on.client.call('GET', '/config')).body).toMatchObject({ configured: true })
  })

  it('does not open with another key; with both it is sealed anew, and then with the new one alone', async () => {
    const { service } = on
    const fresh = Buffer.from(Array.from({ length: 32 }, (_, at) => (at * 73 + 11) % 256)).toString('base64')
    await expect(service.restart({ VAULT_KEY: fresh })).rejects.toThrow('which VAULT_KEY does not hold')
    await expect(service.restart({ VAULT_KEY: '' })).rejects.toThrow('VAULT_KEY: is needed, because there is a vault')
    await expect(service.restart({ VAULT_KEY: 'weak' })).rejects.toThrow('must be 32 random bytes')
    await service.restart({ VAULT_KEY: `${fresh},${VAULT_KEY}` })
    await service.restart({ VAULT_KEY: fresh })
    expect((await on.client.call('GET', '/config')).body).toMatchObject({ configured: true })
    await service.restart({ VAULT_KEY: `${VAULT_KEY},${fresh}` })
    await service.restart()
    on.github.sendTo(`${service.url}/webhook/github`)
  })
})

describe('the command line', () => {
  it('shows the app of a service, enters and forgets it, and the doctor knows how it stands', async () => {
    const { github, service } = on
    const folder = await mkdtemp(join(tmpdir(), 'branchline-app-'))
    await writeFile(join(folder, 'key.pem'), github.app.privateKey)
    await writeFile(join(folder, 'secret'), `${github.app.webhookSecret}\n`)
    const config = (...args: string[]) => branchline(['config', ...args, '--url', service.url])
    expect((await config()).out).toMatch(new RegExp(`^app +${github.app.id}, @${github.app.slug}\nkey +SHA256:`))
    expect((await config('clear')).out).toMatch(/^app +none\nsecrets +0\nmissing +app id, private key, webhook secret\n$/)
    expect(await config('set')).toMatchObject({ code: 1, err: expect.stringContaining('--app-id') })
    for (const id of ['abc', '0', '1.5', '-1', ''])
      expect(await config('set', `--installation-id=${id}`)).toMatchObject({ code: 1, err: expect.stringContaining('--installation-id') })
    expect(await config('set', '--private-key-file', '/no/such')).toMatchObject({ code: 1, err: expect.stringContaining('cannot be read') })
    const files = ['--private-key-file', join(folder, 'key.pem'), '--webhook-secret-file', join(folder, 'secret')]
    expect((await config('set', '--app-id', String(github.app.id), ...files)).out).toContain(`@${github.app.slug}`)
    const doctor = await branchline(['doctor'], { ...githubEnv(github), WORKSPACE_PATH: service.workspace, PORT: '0' })
    expect(doctor.out).toMatch(new RegExp(`✓ github +@${github.app.slug}`))
    await rm(folder, { recursive: true })
  })
})

describe('an issue that somebody else vouches for', () => {
  it('is worked on like one that GitHub told of, and its status can be asked', async () => {
    const { client, github } = on
    const { number, guid } = await github.openIssue({ title: 'Vouched', body: 'write vouched.txt: yes', by: 'mallory' })
    const { payload } = github.deliveries.find((each) => each.guid === guid) ?? {}
    const { status, body } = await client.call('POST', '/process-issue', { type: 'process_issue', payload, config: { draft: true } })
    expect([status, body]).toEqual([202, { success: true, commandId: expect.stringContaining(`issue-${number}`), threadId: `issue-${number}` }])
    await expect.poll(() => progressOf(github, number)).toContain('**Done:**')
    expect((await github.pulls()).find(({ pull: { head } }) => head === `thread-issue-${number}`)).toMatchObject({ pull: { draft: true } })
    expect((await client.call('GET', '/status')).body).toMatchObject({ state: 'idle', uptime: expect.any(Number) })
  })

  it('is refused where it is none', async () => {
    const answer = await on.client.call('POST', '/process-issue', { type: 'process_issue', payload: { issue: 1 } })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringContaining('payload')])
  })
})

it('an app is made by two clicks: by a link with a token, a state, and a code that counts once', async () => {
  await using github = await startGitHub()
  await using service = await startService({ env: { ...githubEnv(github), REPO_URL: '', PUBLIC_URL: 'https://branchline.example', API_TOKEN } })
  const [, token = ''] = /\/setup\/github\?token=(\S+)/.exec(service.output()) ?? []
  const get = (path: string): Promise<Response> => fetch(`${service.url}${path}`)
  const config = async (): Promise<unknown> => (await fetch(`${service.url}/config`, { headers: { authorization: `Bearer ${API_TOKEN}` } })).json()
  const finish = (body: object): Promise<Response> =>
    fetch(`${service.url}/setup/github/finish`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  for (const path of ['/setup/github', '/setup/github?token=wrong']) expect((await get(path)).status).toBe(401)
  const begun = await (await get(`/setup/github?token=${token}`)).text()
  const [, state = ''] = /settings\/apps\/new\?state=([\w-]+)/.exec(begun) ?? []
  const code = github.offerManifest()
  expect((await finish({ code, state: 'of-nobody' })).status).toBe(400)
  const back = await get(`/setup/github/back?code=${code}&state=${state}`)
  expect(back.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(await config()).toMatchObject({ configured: false })
  const made = await finish({ code, state })
  expect(await made.json()).toMatchObject({ success: true, installUrl: expect.stringContaining('/installations/new') })
  expect((await get('/config')).status).toBe(401)
  expect(await config()).toMatchObject({ configured: true, slug: github.app.slug })
  // Closed from here on.
  expect((await get(`/setup/github?token=${token}`)).status).toBe(409)
  expect((await finish({ code, state })).status).toBe(409)
  expect(service.output()).not.toContain(github.app.webhookSecret)
})
