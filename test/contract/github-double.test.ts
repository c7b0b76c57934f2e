import { createAppAuth } from '@octokit/auth-app'
import { Octokit } from '@octokit/core'
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { commitAll } from '../support/repository.ts'
import { startGitHub, type GitHub } from '../support/github/github.ts'
import { startReceiver, type Receiver } from '../support/github/receiver.ts'

const exec = promisify(execFile)
const SITE = { owner: 'acme', repo: 'site' }
let [github, receiver, folder]: [GitHub, Receiver, string] = [undefined!, undefined!, '']
beforeAll(async () => {
  github = await startGitHub({
    repositories: [
      { owner: 'acme', name: 'site', files: { 'README.md': 'A site\n', '.github/branchline.yml': 'trigger: "@site"\n' } },
      { owner: 'acme', name: 'shop' },
      { owner: 'other', name: 'blog' },
    ],
  })
  folder = await mkdtemp(join(tmpdir(), 'branchline-test-double-'))
  receiver = await startReceiver()
  github.sendTo(receiver.url)
})
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
  await github[Symbol.asyncDispose]()
})

const asApp = (): Octokit =>
  new Octokit({ authStrategy: createAppAuth, auth: { appId: github.app.id, privateKey: github.app.privateKey }, baseUrl: github.url })
async function tokenFor(narrow: object = {}): Promise<string> {
  const { data } = await asApp().request('POST /app/installations/{installation_id}/access_tokens', { installation_id: github.app.installationId, ...narrow })
  return data.token
}
const withToken = async (narrow?: object): Promise<Octokit> => new Octokit({ auth: await tokenFor(narrow), baseUrl: github.url })
const statusOf = (call: Promise<unknown>): Promise<unknown> => call.then(() => 0).catch((error: { status?: number }) => error.status)
const gitUrl = (token: string, name = 'acme/site'): string => `${github.url.replace('//', `//x-access-token:${token}@`)}/${name}.git`

async function pushBranch(branch: string, file: string, token?: string): Promise<string> {
  const tree = join(folder, branch)
  await exec('git', ['clone', '-q', gitUrl(token ?? (await tokenFor())), tree])
  await exec('git', ['-C', tree, 'checkout', '-q', '-b', branch])
  await exec('mkdir', ['-p', join(tree, file, '..')])
  await writeFile(join(tree, file), `${branch}\n`)
  await commitAll(tree, `Write ${file}`)
  await exec('git', ['-C', tree, 'push', '-q', 'origin', branch])
  return (await exec('git', ['-C', tree, 'rev-parse', 'HEAD'])).stdout.trim()
}

it('lets nobody in but the app and the tokens it has minted', async () => {
  expect((await asApp().request('GET /app')).data).toMatchObject({ id: github.app.id, slug: github.app.slug })
  const found = await asApp().request('GET /repos/{owner}/{repo}/installation', SITE)
  expect(found.data.id).toBe(github.app.installationId)
  const stranger = new Octokit({ auth: 'ghs_nobody', baseUrl: github.url })
  await expect(stranger.request('GET /repos/{owner}/{repo}', SITE)).rejects.toMatchObject({ status: 401, response: { data: { message: 'Bad credentials' } } })
  expect(await statusOf(stranger.request('GET /app'))).toBe(401)
  const token = await tokenFor()
  expect(token).toMatch(/^ghs_\d+_CANARY/)
  const octokit = new Octokit({ auth: token, baseUrl: github.url })
  expect((await octokit.request('GET /repos/{owner}/{repo}', SITE)).data.default_branch).toBe('main')
  expect(await statusOf(octokit.request('GET /repos/{owner}/{repo}', { owner: 'other', repo: 'blog' }))).toBe(404)
  await octokit.request('DELETE /installation/token')
  expect(await statusOf(octokit.request('GET /repos/{owner}/{repo}', SITE))).toBe(401)
})

it('keeps a token to its repositories and permissions', async () => {
  const issue = await github.openIssue({ title: 'Narrow', body: 'x' })
  const narrow = await withToken({ repositories: ['site'], permissions: { issues: 'read' } })
  expect(await statusOf(narrow.request('GET /repos/{owner}/{repo}', { ...SITE, repo: 'shop' }))).toBe(404)
  const at = { ...SITE, issue_number: issue.number }
  expect((await narrow.request('GET /repos/{owner}/{repo}/issues/{issue_number}', at)).data.title).toBe('Narrow')
  expect(await statusOf(narrow.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, body: 'no' }))).toBe(403)
  expect(await statusOf(tokenFor({ permissions: { administration: 'write' } }))).toBe(422)
  expect(await statusOf(tokenFor({ repositories: ['blog'] }))).toBe(422)
})

it('sees a request that GitHub would not take', async () => {
  const { number } = await github.openIssue({ title: 'Checked', body: null })
  const octokit = await withToken()
  expect(await statusOf(octokit.request(`POST /repos/acme/site/issues/${number}/comments`, { text: 'body is missing' }))).toBe(400)
  expect(await statusOf(octokit.request('GET /repos/acme/site/branches'))).toBe(404)
  expect(github.problems.splice(0)).toEqual([
    expect.stringContaining("must have required property 'body'"),
    expect.stringContaining('is not in the description'),
  ])
  const long = { ...SITE, issue_number: number, body: 'ä'.repeat(65_537) }
  expect(await statusOf(octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', long))).toBe(422)
})

it('keeps comments, reactions and what people may do', async () => {
  const octokit = await withToken()
  const { number } = await github.openIssue({ title: 'Talk', body: '@site hello' })
  const at = { ...SITE, issue_number: number }
  const asked = await github.comment(number, { body: 'and this', by: 'bob' })
  const made = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, body: 'Working' })
  expect(made.data).toMatchObject({ user: { login: `${github.app.slug}[bot]`, type: 'Bot' }, performed_via_github_app: { id: github.app.id } })
  await octokit.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...SITE, comment_id: made.data.id, body: 'Done' })
  expect((await octokit.request('GET /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...SITE, comment_id: made.data.id })).data.body).toBe('Done')
  const page = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, per_page: 1 })
  expect(page.data.map(({ id }) => id)).toEqual([asked.id])
  expect(page.headers.link).toContain('page=2>; rel="next"')
  expect(github.comments(number).map(({ body, user }) => [user, body])).toEqual([
    ['bob', 'and this'],
    [`${github.app.slug}[bot]`, 'Done'],
  ])
  const react = { ...SITE, comment_id: asked.id, content: 'eyes' as const }
  expect((await octokit.request('POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', react)).status).toBe(201)
  expect((await octokit.request('POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', react)).status).toBe(200)
  await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/reactions', { ...at, content: 'rocket' })
  expect(github.reactions.map(({ on, content }) => `${on} ${content}`)).toEqual(['comment eyes', 'issue rocket'])

  github.permissions.set('mia', 'maintain').set('eve', 'none').set('max', 'broken')
  const may = (username: string) => octokit.request('GET /repos/{owner}/{repo}/collaborators/{username}/permission', { ...SITE, username })
  expect((await may('mia')).data).toMatchObject({ permission: 'write', role_name: 'maintain', user: { login: 'mia' } })
  expect((await may('eve')).data.permission).toBe('none')
  expect(await Promise.all([statusOf(may('nobody')), statusOf(may('max'))])).toEqual([404, 500])
  expect((await octokit.request('GET /users/{username}', { username: 'mia' })).data).toMatchObject({ login: 'mia', type: 'User' })
})

it('serves git, and pull requests of what is in it', async () => {
  const octokit = await withToken()
  const pull = { ...SITE, title: 'More', head: 'more', base: 'main', body: 'Closes #1' }
  expect(await statusOf(octokit.request('POST /repos/{owner}/{repo}/pulls', pull))).toBe(422)
  const commit = await pushBranch('more', 'README.md')
  expect(github.pushes.at(-1)).toMatchObject({ repository: 'acme/site', refs: { 'refs/heads/more': commit } })
  const { data } = await octokit.request('POST /repos/{owner}/{repo}/pulls', pull)
  expect(data).toMatchObject({ head: { sha: commit }, mergeable: true, mergeable_state: 'clean', user: { type: 'Bot' } })
  expect(await statusOf(octokit.request('POST /repos/{owner}/{repo}/pulls', pull))).toBe(422)
  const list = (head: string) => octokit.request('GET /repos/{owner}/{repo}/pulls', { ...SITE, head, state: 'open' })
  expect((await list('acme:more')).data.map(({ number }) => number)).toEqual([data.number])
  expect((await list('acme:less')).data).toEqual([])
  await pushBranch('rival', 'README.md')
  const rival = await github.openPull({ title: 'Rival', head: 'rival', by: 'bob' })
  await github.closePull(rival.number, { merged: true, by: 'bob' })
  const at = { ...SITE, pull_number: data.number }
  expect((await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', at)).data).toMatchObject({ mergeable: false, mergeable_state: 'dirty' })
  await octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...at, title: 'Other' })
  const asked = await github.reviewComment(data.number, { body: 'why?', path: 'README.md', line: 1 })
  const reply = { ...at, comment_id: asked.id, body: 'because' }
  const answer = await octokit.request('POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies', reply)
  expect(answer.data).toMatchObject({ in_reply_to_id: asked.id, body: 'because' })
  await octokit.request('POST /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions', { ...SITE, comment_id: asked.id, content: 'eyes' })
  expect((await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}/comments', at)).data).toHaveLength(2)
  await github.checkRun(commit, { name: 'build', conclusion: 'failure', summary: 'no' })
  await github.checkRun(commit, { name: 'lint', status: 'in_progress' })
  const runs = await octokit.request('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', { ...SITE, ref: commit })
  expect(runs.data.check_runs.map(({ name, conclusion }) => [name, conclusion])).toEqual([
    ['build', 'failure'],
    ['lint', null],
  ])
  expect(runs.data.check_runs[0]?.pull_requests[0]?.number).toBe(data.number)
  expect((await github.pulls()).map(({ title, state }) => [title, state])).toEqual([
    ['Other', 'open'],
    ['Rival', 'closed'],
  ])
})

it('reads files of the repository', async () => {
  const octokit = await withToken({ permissions: { contents: 'read' } })
  const at = { ...SITE, path: '.github/branchline.yml' }
  const json = await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', at)
  expect(Buffer.from('content' in json.data ? (json.data.content ?? '') : '', 'base64').toString()).toBe('trigger: "@site"\n')
  const raw = await fetch(`${github.url}/repos/acme/site/contents/.github/branchline.yml?ref=main`, {
    headers: { authorization: `Bearer ${await tokenFor()}`, accept: 'application/vnd.github.raw+json' },
  })
  expect(await raw.text()).toBe('trigger: "@site"\n')
  expect(await statusOf(octokit.request('GET /repos/{owner}/{repo}/contents/{path}', { ...at, path: 'none.yml' }))).toBe(404)
})

it('refuses pushes that a token does not allow', async () => {
  await expect(exec('git', ['ls-remote', gitUrl('ghs_wrong')])).rejects.toThrow('403')
  await expect(exec('git', ['ls-remote', gitUrl(await tokenFor(), 'other/blog')])).rejects.toThrow('not found')
  await expect(pushBranch('reader', 'r.txt', await tokenFor({ permissions: { contents: 'read' } }))).rejects.toThrow('403')
  await expect(pushBranch('flow', '.github/workflows/ci.yml')).rejects.toThrow('without `workflows` permission')
})

it('sends webhooks as GitHub does and keeps a log of them', async () => {
  const { heard } = receiver
  heard.length = 0
  const { number, status, guid } = await github.openIssue({ title: 'Hook', body: 'me', by: 'dependabot[bot]' })
  expect(status).toBe(202)
  const [{ headers, body }] = heard as [(typeof heard)[number]]
  expect(headers['x-hub-signature-256']).toBe(`sha256=${createHmac('sha256', github.app.webhookSecret).update(body).digest('hex')}`)
  expect(headers).toMatchObject({ 'x-github-event': 'issues', 'x-github-delivery': guid, 'content-type': 'application/json' })
  const payload = JSON.parse(body)
  expect(payload).toMatchObject({ action: 'opened', installation: { id: github.app.installationId }, sender: { type: 'Bot' } })
  expect(payload).toMatchObject({ issue: { number, title: 'Hook', labels: [] }, repository: { full_name: 'acme/site' } })
  const lost = await github.label(number, 'agent', 'alice', { lost: true })
  await github.assign(number, 'branchline', 'alice')
  await github.pushed('main')
  await github.ping()
  expect(heard.map((one) => one.headers['x-github-event'])).toEqual(['issues', 'issues', 'push', 'ping'])

  const failed = await asApp().request('GET /app/hook/deliveries', { status: 'failure', per_page: 1 })
  expect(failed.data[0]).toMatchObject({ guid: lost.guid, event: 'issues', action: 'labeled', status_code: 502 })
  const page = await asApp().request('GET /app/hook/deliveries', { per_page: 2 })
  expect(page.data.map(({ event }) => event)).toEqual(['ping', 'push'])
  const next = await asApp().request(`GET ${/<([^>]+)>; rel="next"/.exec(page.headers.link ?? '')?.[1]}`)
  expect(next.data.map(({ action }: { action: string }) => action)).toEqual(['assigned', 'labeled'])
  const one = await asApp().request('GET /app/hook/deliveries/{delivery_id}', { delivery_id: Number(failed.data[0]?.id) })
  expect(one.data.request.payload).toMatchObject({ action: 'labeled', label: { name: 'agent' } })
  expect(one.data.request.headers).toMatchObject({ 'X-GitHub-Delivery': lost.guid })
})

it('fails, loses replies and holds requests as it is told', async () => {
  const octokit = await withToken()
  const { number } = await github.openIssue({ title: 'Faults', body: '' })
  const say = (body: string) => octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...SITE, issue_number: number, body })
  const match = (method: string, path: string): boolean => method === 'POST' && path.endsWith(`/${number}/comments`)
  github.fault({ match, status: 403, headers: { 'retry-after': '1' } })
  await expect(say('refused')).rejects.toMatchObject({ status: 403, response: { headers: { 'retry-after': '1' } } })
  github.fault({ match, when: 'after' })
  expect(await statusOf(say('done, reply lost'))).toBe(500)
  github.fault({ match })
  expect(await statusOf(say('cut'))).toBe(500)
  const hold = github.hold(match)
  const held = say('held')
  await hold.reached
  expect(github.comments(number).map(({ body }) => body)).toEqual(['done, reply lost'])
  hold.release()
  expect((await held).status).toBe(201)

  const push = github.fault({ match: (method, path) => method === 'POST' && path.endsWith('/git-receive-pack'), when: 'after', times: 2 })
  await expect(pushBranch('unheard', 'u.txt')).rejects.toThrow('git')
  expect(push.hits()).toBeGreaterThan(0)
  push.remove()
  const full = github.fault({ match: (method, path) => method === 'POST' && path.endsWith('/git-receive-pack'), status: 429, times: 9 })
  await expect(pushBranch('refused', 'r.txt')).rejects.toThrow('429')
  full.remove()
  expect((await exec('git', ['-C', github.repository('acme', 'site'), 'branch', '--list', 'unheard'])).stdout).toContain('unheard')
})

it('makes an app of a manifest, once', async () => {
  const manifest = { name: 'Our Agent', redirect_url: 'http://127.0.0.1:1/back', default_permissions: { issues: 'write' } }
  const form = new URLSearchParams({ manifest: JSON.stringify(manifest) })
  const page = await fetch(`${github.url}/organizations/acme/settings/apps/new?state=s1`, { method: 'POST', body: form, redirect: 'manual' })
  const back = new URL(page.headers.get('location') ?? '')
  expect(back.searchParams.get('state')).toBe('s1')
  const convert = () => new Octokit({ baseUrl: github.url }).request('POST /app-manifests/{code}/conversions', { code: back.searchParams.get('code') ?? '' })
  const former = asApp()
  const { data } = await convert()
  expect(data).toMatchObject({ slug: 'our-agent', id: github.app.id, webhook_secret: github.app.webhookSecret })
  expect(data.pem).toContain('BEGIN RSA PRIVATE KEY')
  expect(await statusOf(convert())).toBe(404)
  expect(await statusOf(former.request('GET /app'))).toBe(401)
  expect((await asApp().request('GET /app')).data?.slug).toBe('our-agent')
})
