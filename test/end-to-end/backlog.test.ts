import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', CONCURRENCY: '4' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
  await model?.[Symbol.asyncDispose]()
})

const SCOPE = '?clientId=acme&userId=me'
const files = async (thread: string): Promise<readonly string[]> =>
  (await client.call('GET', client.thread(thread, 'files'))).body.files.map(({ path }: { path: string }) => path)

describe('a message that waits', () => {
  it('is taken back: its result says so, what it asked for is answered, and it never runs', async () => {
    const held = model.hold('held for a')
    const first = await client.post('a', 'write a1.txt: held for a')
    await held.reached
    const waits = await client.post('a', 'write a2.txt: taken back', { delivery: 'queue' })
    const { status, body } = await client.call('DELETE', `/api/commands/${waits}${SCOPE}`)
    expect([status, body]).toEqual([200, { success: true, commandId: waits, instruction: 'write a2.txt: taken back' }])
    expect(await client.result(waits)).toMatchObject({ success: false, code: 'withdrawn' })
    expect((await client.call('DELETE', `/api/commands/${waits}${SCOPE}`)).status).toBe(409)
    expect((await client.call('DELETE', `/api/commands/${first}${SCOPE}`)).status).toBe(409) // it has begun
    expect((await client.call('DELETE', `/api/commands/nobody${SCOPE}`)).status).toBe(404)
    held.release()
    expect(await client.result(first)).toMatchObject({ success: true })
    expect(await files('a')).toEqual(expect.not.arrayContaining(['a2.txt']))
  })

  it('is sent now: what runs gives way to it, and those behind it keep their order', async () => {
    const held = model.hold('held for b')
    const first = await client.post('b', 'write b1.txt: held for b')
    await held.reached
    const second = await client.post('b', 'write b2.txt: second', { delivery: 'queue' })
    const third = await client.post('b', 'write b3.txt: third', { delivery: 'queue' })
    expect((await client.call('POST', `/api/commands/${third}/now${SCOPE}`)).status).toBe(409)
    expect((await client.call('POST', `/api/commands/${second}/now${SCOPE}`)).status).toBe(202)
    expect(await client.result(first)).toMatchObject({ interrupted: true })
    expect(await client.result(second)).toMatchObject({ success: true })
    expect(await client.result(third)).toMatchObject({ success: true })
    held.release()
    expect(await files('b')).toEqual(expect.arrayContaining(['b2.txt', 'b3.txt']))
  })

  it('is not taken back once it has interrupted another one: what was to go on with it would be lost', async () => {
    const held = model.hold('held for d')
    const first = await client.post('d', 'write d1.txt: held for d')
    await held.reached
    const steered = await client.post('d', 'write d2.txt: told', { delivery: 'steer' })
    const newer = await client.post('d', 'write d3.txt: newer')
    expect((await client.call('DELETE', `/api/commands/${newer}${SCOPE}`)).status).toBe(409)
    held.release()
    for (const each of [first, steered, newer]) await client.result(each)
    await expect.poll(() => files('d')).toEqual(expect.arrayContaining(['d2.txt', 'd3.txt']))
  })

  it('outlives a restart, and can be taken back then too', async () => {
    const held = model.hold('held for c')
    const first = await client.post('c', 'write c1.txt: held for c')
    await held.reached
    const waits = await client.post('c', 'write c2.txt: never', { delivery: 'queue' })
    await service.kill()
    await service.restart()
    client = clientOf(service)
    await expect.poll(async () => (await client.call('GET', `/api/commands/${first}${SCOPE}`)).body.state).toBe('running')
    expect((await client.call('DELETE', `/api/commands/${waits}${SCOPE}`)).status).toBe(200)
    held.release()
    await expect.poll(() => files('c')).toContain('c1.txt')
    expect(await files('c')).not.toContain('c2.txt')
  })
})

describe('a file that is written by hand', () => {
  const write = (path: string, content: string, base?: string) =>
    client.call('POST', client.thread('hand', 'files'), { path, content, ...(base === undefined ? {} : { base }) })
  const blobOf = async (path: string): Promise<string> => {
    const answer = await fetch(`${service.url}${client.thread('hand', 'files')}?path=${path}`)
    return /"(\w+)"/.exec(answer.headers.get('etag') ?? '')?.[1] ?? ''
  }

  it('is a commit, made of what was seen, and goes to no other place', async () => {
    await client.run('hand', 'write page.txt: one')
    const seen = await blobOf('page.txt')
    expect((await write('page.txt', 'two\n', seen)).body).toMatchObject({ success: true, result: { filesChanged: ['page.txt'], commit: expect.any(String) } })
    for (const [path, base] of [
      ['page.txt', seen],
      ['page.txt', undefined],
      ['new.txt', seen],
    ] as const)
      expect((await write(path, 'three\n', base)).body).toMatchObject({ success: false, result: { code: 'rejected' } })
    for (const path of ['.git/config', '../x', 'page.txt/x', 'a/./b'])
      expect((await write(path, 'x')).body).toMatchObject({ success: false, result: { code: 'rejected' } })
    for (const path of ['n'.repeat(300), 'd/'.repeat(400) + 'x'])
      expect((await write(path, 'x')).body).toMatchObject({ success: false, result: { code: 'rejected' } })
    const submodule = '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/pwn\n'
    expect((await write('.gitmodules', submodule)).body).toMatchObject({ success: false, result: { code: 'rejected' } })
    for (const path of ['/etc/x', 'a\0b', '']) expect((await write(path, 'x')).status).toBe(400)
    expect((await write('new/page.txt', 'new\n')).body).toMatchObject({ success: true })
    // What git ignores is in no commit, and is not written over.
    await client.run('hand', 'write .gitignore: kept.env then write kept.env: OF-THE-AGENT')
    for (const path of ['kept.env', 'kept.env/x']) expect((await write(path, 'MINE')).body).toMatchObject({ success: false, result: { code: 'rejected' } })
    expect(await client.run('hand', 'run cat kept.env')).toMatchObject({ summary: expect.stringContaining('OF-THE-AGENT') })
    expect(await client.run('hand', 'run cat page.txt new/page.txt')).toMatchObject({ summary: expect.stringContaining('two\nnew') })
  })
})

it('the key of the model is entered where none is set, and nowhere else', async () => {
  expect(await client.call('POST', '/api/model-key', { key: 'sk-ant-0123456789ab' })).toMatchObject({ status: 409 })
  expect((await client.call('GET', '/api/whoami')).body).toMatchObject({ keyWanted: false, simulated: false, open: true })
})
