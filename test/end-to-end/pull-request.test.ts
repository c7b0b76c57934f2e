import { execFile } from 'node:child_process'
import { mkdir, rename, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startGitServer, type GitServer } from '../support/git-server.ts'
import { startModel, type Model } from '../support/model.ts'
import { makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const exec = promisify(execFile)
const TOKEN = 'CANARY-github-token-a81f'
let [model, service, client, server, folder, bare]: [Model, Service, Client, GitServer, string, string] = [
  undefined!,
  undefined!,
  undefined!,
  undefined!,
  '',
  '',
]

interface Pull {
  readonly title: string
  readonly head: string
  readonly base: string
}
const pulls: Pull[] = []

/** The few routes of GitHub's API that are used, which check what they are sent. */
function github(request: IncomingMessage, response: ServerResponse): boolean {
  const url = new URL(request.url ?? '/', 'http://github')
  if (!url.pathname.startsWith('/repos/acme/site')) return false
  const say = (status: number, body: unknown): void => void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  if (request.headers.authorization !== `token ${TOKEN}`) say(401, { message: 'Bad credentials' })
  else if (request.method === 'GET' && url.pathname.endsWith('/pulls')) {
    const at = pulls.findIndex((pull) => `acme:${pull.head}` === url.searchParams.get('head'))
    say(200, at === -1 ? [] : [{ html_url: `https://github.example/acme/site/pull/${at + 1}`, number: at + 1, head: { ref: pulls[at]?.head } }])
  } else if (request.method === 'GET') say(200, { default_branch: 'main' })
  else {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      pulls.push(JSON.parse(body))
      say(201, { html_url: `https://github.example/acme/site/pull/${pulls.length}`, number: pulls.length })
    })
  }
  return true
}

beforeAll(async () => {
  folder = await temporaryFolder()
  bare = join(folder, 'acme', 'site.git')
  await mkdir(join(folder, 'acme'))
  await rename(await makeRepository(join(folder, 'made')), bare)
  server = await startGitServer(bare, 'x-access-token', TOKEN, { root: folder, api: github })
  model = await startModel()
  service = await startService({
    env: {
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
      REPO_URL: server.url,
      GITHUB_TOKEN: TOKEN,
      GITHUB_API_URL: new URL(server.url).origin,
    },
  })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

it('pushes the branch and opens one pull request, however often it is asked for', async () => {
  const edit = await client.run('feature', 'write feature.txt: done')
  const first = await client.call('POST', client.thread('feature', 'pull-request'), {})
  expect(first.body).toEqual({ success: true, pullRequestUrl: 'https://github.example/acme/site/pull/1', number: 1, created: true })
  expect((await exec('git', ['-C', bare, 'rev-parse', 'thread-feature'])).stdout.trim()).toBe(edit.commit)
  expect(pulls).toEqual([{ title: 'Wrote feature.txt', body: '- Wrote feature.txt', head: 'thread-feature', base: 'main', draft: false }])
  expect((await client.call('POST', client.thread('feature', 'pull-request'), {})).body).toMatchObject({ number: 1, created: false })
  expect(service.output()).not.toContain(TOKEN)
})

it('without a change there is nothing to ask for', async () => {
  await client.run('empty', 'hello')
  const { status, body } = await client.call('POST', client.thread('empty', 'pull-request'), { base: 'main' })
  expect(status).toBe(409)
  expect(body.error).toContain('nothing')
})
