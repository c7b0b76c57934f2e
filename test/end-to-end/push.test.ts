import { execFile } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startGitServer, type GitServer } from '../support/git-server.ts'
import { startModel, type Model } from '../support/model.ts'
import { commitAll, makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const exec = promisify(execFile)
const PASSWORD = 'CANARY-git-password-51c2'
let [model, service, client, server, folder, bare]: [Model, Service, Client, GitServer, string, string] = [
  undefined!,
  undefined!,
  undefined!,
  undefined!,
  '',
  '',
]

beforeAll(async () => {
  folder = await temporaryFolder()
  bare = await makeRepository(folder)
  server = await startGitServer(bare, 'ada', PASSWORD)
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', REPO_URL: server.urlWithCredentials } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const remote = async (...args: string[]): Promise<string> => (await exec('git', ['-C', bare, ...args])).stdout.trim()

it('pushes the branch of a thread with a password that is nowhere on disk', async () => {
  const edit = await client.run('ship', 'write ship.txt: ahoy')
  const pushed = await client.run('ship', '', { type: 'push' })
  expect(pushed).toMatchObject({ success: true, pushed: true, branch: 'thread-ship' })
  expect(await remote('rev-parse', 'thread-ship')).toBe(edit.commit)
  const again = await client.call('POST', client.thread('ship', 'push'), {})
  expect(again.body.result).toMatchObject({ success: true, pushed: true })
  expect(await filesHolding(service.workspace, PASSWORD)).toEqual([])
  expect(service.output()).not.toContain(PASSWORD)
})

it('rebases once onto what origin has, and goes on from there', async () => {
  await client.run('meet', 'write ours.txt: ours')
  await client.run('meet', '', { type: 'push' })
  await pushFromElsewhere('thread-meet', 'theirs.txt', 'theirs')
  await client.run('meet', 'write more.txt: more')
  expect(await client.run('meet', '', { type: 'push' })).toMatchObject({ success: true, pushed: true })
  expect(await remote('log', '--format=%s', 'thread-meet')).toBe(['Wrote more.txt', 'from elsewhere', 'Wrote ours.txt', 'Begin'].join('\n'))
  expect(await remote('rev-parse', 'thread-meet')).toBe(await client.git('rev-parse', 'thread-meet'))
  const after = await client.run('meet', 'run ls')
  expect(after.summary).toContain('theirs.txt')
  expect(after.commit).toBeUndefined()
})

it('takes along what nobody has committed when it rebases', async () => {
  await client.run('loose', 'write ours.txt: ours')
  await client.run('loose', '', { type: 'push' })
  await pushFromElsewhere('thread-loose', 'theirs.txt', 'theirs')
  const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'loose' })
  await writeFile(join(body.workspace.projectPath, 'by-hand.txt'), 'precious')
  expect(await client.run('loose', '', { type: 'push' })).toMatchObject({ success: true })
  expect((await remote('ls-tree', '--name-only', 'thread-loose')).split('\n')).toEqual(['README.md', 'by-hand.txt', 'ours.txt', 'src', 'theirs.txt'])
})

it('reports a conflict and leaves the branch as it is', async () => {
  await client.run('clash', 'write same.txt: ours')
  await client.run('clash', '', { type: 'push' })
  await pushFromElsewhere('thread-clash', 'same.txt', 'theirs')
  const mine = await client.run('clash', 'write same.txt: mine')
  const pushed = await client.run('clash', '', { type: 'push' })
  expect(pushed).toMatchObject({ success: false, code: 'push_conflict' })
  expect(pushed.error).toContain('same.txt')
  expect(await client.git('rev-parse', 'thread-clash')).toBe(mine.commit)
  expect(await remote('log', '-1', '--format=%s', 'thread-clash')).toBe('from elsewhere')
})

it('a new thread starts from what origin has today', async () => {
  await pushFromElsewhere('main', 'news.txt', 'today')
  expect((await client.run('fresh', 'run ls')).summary).toContain('news.txt')
})

it('a thread whose branch is at origin goes on from there', async () => {
  await pushFromElsewhere('main', 'x.txt', 'x')
  await exec('git', ['-C', bare, 'branch', 'thread-known', 'main'])
  const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'known' })
  expect(body).toMatchObject({ success: true, resumed: true, branch: 'thread-known' })
})

it('a push that is refused ends with a reason that holds no password', async () => {
  await client.run('locked', 'write a.txt: a')
  await writeFile(join(bare, 'hooks', 'pre-receive'), '#!/bin/sh\necho no pushing today >&2\nexit 1\n', { mode: 0o755 })
  const pushed = await client.run('locked', '', { type: 'push' })
  await rm(join(bare, 'hooks', 'pre-receive'))
  expect(pushed).toMatchObject({ success: false, code: 'push_failed' })
  expect(pushed.error).toContain('no pushing today')
  expect(JSON.stringify(pushed)).not.toContain(PASSWORD)
})

async function pushFromElsewhere(branch: string, file: string, content: string): Promise<void> {
  const tree = join(folder, `elsewhere-${Math.random().toString(36).slice(2)}`)
  await exec('git', ['clone', '-q', '-b', branch, bare, tree])
  await writeFile(join(tree, file), content)
  await commitAll(tree, 'from elsewhere')
  await exec('git', ['-C', tree, 'push', '-q', 'origin', branch])
}

async function filesHolding(root: string, secret: string): Promise<readonly string[]> {
  const forms = [secret, Buffer.from(`ada:${secret}`).toString('base64')]
  const entries = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const holding = await Promise.all(
    entries.map(async (entry) => ({ name: entry.name, content: await readFile(join(entry.parentPath, entry.name), 'latin1').catch(() => '') })),
  )
  return holding.filter(({ content }) => forms.some((form) => content.includes(form))).map(({ name }) => name)
}
