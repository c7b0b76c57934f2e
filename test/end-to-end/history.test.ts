import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ example: true, installed: true, env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const undo = async (thread: string) => (await client.call('POST', client.thread(thread, 'undo'), {})).body.result
const fileAt = (thread: string, path: string) => client.git('show', `thread-${thread}:${path}`)

describe('undo', () => {
  it('takes the files back step by step, as new commits, and loses nothing that was not committed', async () => {
    await client.run('back', 'write a.txt: one')
    await client.run('back', 'write a.txt: two')
    await client.run('back', 'write a.txt: three')
    expect(await undo('back')).toMatchObject({ success: true, summary: expect.stringContaining('Back at') })
    expect(await fileAt('back', 'a.txt')).toBe('two')
    expect(await undo('back')).toMatchObject({ success: true })
    expect(await fileAt('back', 'a.txt')).toBe('one')
    await undo('back')
    expect(await client.git('ls-tree', '--name-only', 'thread-back')).not.toContain('a.txt')
    expect(await undo('back')).toMatchObject({ success: false, code: 'rejected', error: 'There is nothing to undo.' })
    expect((await client.git('log', '--format=%s', 'thread-back')).split('\n')).toHaveLength(7)
    const seen = await client.run('back', 'run git status --short; git log --oneline | wc -l; ls')
    expect(seen.summary).toContain('7')
    expect(seen.summary).not.toContain('a.txt')
  })

  it('saves what was edited by hand before it goes back', async () => {
    await client.run('hand', 'write b.txt: one')
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'hand' })
    await writeFile(join(body.workspace.projectPath, 'by-hand.txt'), 'precious\n')
    await undo('hand')
    expect(await client.git('show', 'thread-hand^:by-hand.txt')).toBe('precious')
    expect(await client.git('ls-tree', '--name-only', 'thread-hand')).not.toContain('by-hand.txt')
  })
})

it('restore takes the files to any checkpoint of the thread, and to nothing else', async () => {
  const first = await client.run('jump', 'write c.txt: one')
  await client.run('jump', 'write c.txt: two')
  const restore = (checkpoint: string) => client.call('POST', client.thread('jump', 'restore'), { checkpoint })
  expect((await restore(first.commit ?? '')).body.result).toMatchObject({ success: true, filesChanged: ['c.txt'] })
  expect(await fileAt('jump', 'c.txt')).toBe('one')
  const { body } = await client.call('GET', client.thread('jump', 'checkpoints'))
  expect(body.checkpoints).toHaveLength(3)
  expect(body.checkpoints[2]).toMatchObject({ restores: first.commit })
  expect((await restore(await client.git('rev-parse', 'thread-back'))).body.result).toMatchObject({ success: false, code: 'rejected' })
})

it('a commit command commits what is in the work tree', async () => {
  const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'manual' })
  await writeFile(join(body.workspace.projectPath, 'note.txt'), 'by hand\n')
  const result = await client.run('manual', 'Add a note', { type: 'commit' })
  expect(result).toMatchObject({ success: true, filesChanged: ['note.txt'] })
  expect(result.summary).toBe(result.commit)
  expect(await client.git('log', '-1', '--format=%s', 'thread-manual')).toBe('Add a note')
})

it('a build installs what the lockfile names and ends with the last useful lines when it is broken', async () => {
  expect(await client.run('build', '', { type: 'build' })).toMatchObject({ success: true, summary: 'Built: npm run build' })
  await client.run('build', 'write src/pages/broken.astro: <h1>{</h1>')
  const broken = await client.run('build', '', { type: 'build' })
  expect(broken).toMatchObject({ success: false, code: 'build_failed' })
  expect(broken.error).toContain('broken.astro')
  const other = await client.run('build-2', '', { type: 'build' })
  expect(other.success).toBe(true)
  expect(other.durationMs).toBeGreaterThan(0)
}, 240_000) // the first test that needs the packages of the example site fetches them, and three builds follow

it('the views of a thread say what was done', async () => {
  const result = await client.run('views', 'write d.txt: four')
  const { body: status } = await client.call('GET', '/api/status/acme/me/views')
  expect(status).toMatchObject({ threadId: 'views', branch: 'thread-views', state: 'idle', lastCommit: result.commit, changedFiles: ['d.txt'] })
  expect((await client.call('GET', client.thread('views', 'diff'))).body.patch).toContain('+four')
  expect((await client.call('GET', client.thread('views', 'history'))).body.commands[0]).toMatchObject({ instruction: 'write d.txt: four', state: 'completed' })
  expect((await client.call('GET', client.thread('views', 'files'))).body.files).toContainEqual({ path: 'd.txt', bytes: 4 })
  const page = await client.call('GET', '/api/threads/acme/me?limit=2')
  expect(page.body.threads.map((thread: { threadId: string }) => thread.threadId)[0]).toBe('views')
  expect(page.body.next).toBe(2)
})
