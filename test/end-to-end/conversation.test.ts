import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** What the model was told last, as a whole. */
const told = (): string => JSON.stringify(model.requests.at(-1)?.messages)
const undo = async (thread: string) => (await client.call('POST', client.thread(thread, 'undo'), {})).body.result

describe('undo', () => {
  it('takes the conversation along, step by step, to where each change was made', async () => {
    for (const name of ['one', 'two', 'three']) await client.run('u', `write ${name}.txt: said ${name}`)
    const session = (await client.run('u', 'nothing but talk')).agentSessionId
    await undo('u')
    const after = await client.run('u', 'what now')
    expect(after.agentSessionId).not.toBe(session)
    for (const known of ['said one', 'said two', 'what now']) expect(told()).toContain(known)
    for (const gone of ['said three', 'nothing but talk']) expect(told()).not.toContain(gone)
    await undo('u')
    await client.run('u', 'and now')
    expect(told()).toContain('said one')
    for (const gone of ['said two', 'what now']) expect(told()).not.toContain(gone)
    await undo('u')
    await client.run('u', 'from the start')
    for (const gone of ['said one', 'and now', 'is lost']) expect(told()).not.toContain(gone)
    expect(await client.git('ls-tree', '--name-only', 'thread-u')).toBe('README.md\nsrc')
  })
  it('and back again: a later checkpoint has its conversation, also after a restart', async () => {
    const { commit } = await client.run('b', 'write first.txt: said first')
    const { commit: second } = await client.run('b', 'write second.txt: said second')
    const restore = (checkpoint: string | undefined) => client.call('POST', client.thread('b', 'restore'), { checkpoint })
    await restore(commit)
    await service.kill()
    await service.restart()
    client = clientOf(service)
    await client.run('b', 'write branch.txt: said branch')
    expect(told()).not.toContain('said second')
    await restore(second)
    await client.run('b', 'go on')
    expect(told()).toContain('said second')
    expect(told()).not.toContain('said branch')
  })
})

it('a restore to files that are there already takes the conversation back all the same', async () => {
  const { commit } = await client.run('same', 'write same.txt: one')
  await client.run('same', 'write same.txt: said two')
  await client.run('same', 'write same.txt: one')
  expect((await client.call('POST', client.thread('same', 'restore'), { checkpoint: commit })).body.result).toMatchObject({ success: true })
  await client.run('same', 'what now')
  expect(told()).not.toContain('said two')
})

it('a question ends the turn and is the result; the next message answers', async () => {
  const asked = await client.run('ask', 'write begun.txt: x then ask Which colour?')
  expect(asked).toMatchObject({ success: true, question: expect.stringContaining('Which colour?'), filesChanged: ['begun.txt'] })
  expect(asked.question).toContain('- Yes')
  await client.event('ask', (event) => event.type === 'question.asked' && event.question === asked.question)
  expect(await client.run('ask', 'write colour.txt: blue')).toMatchObject({ success: true, filesChanged: ['colour.txt'] })
  expect(told()).toContain('Which colour?')
})

it('a plan changes nothing, and the next message may carry it out', async () => {
  const plan = await client.run('plan', 'write planned.txt: later', { mode: 'plan' })
  expect([plan.commit, plan.question]).toEqual([undefined, undefined])
  expect(plan).toMatchObject({ success: true, summary: expect.stringContaining('planned.txt') })
  expect(await client.run('plan', 'run touch sneaky.txt', { mode: 'plan' })).toMatchObject({ success: true })
  expect(await client.run('plan', 'write planned.txt: later')).toMatchObject({ success: true, filesChanged: ['planned.txt'] })
  expect(told().split('write planned.txt: later')).toHaveLength(3)
})

it('an attachment is a file that the agent may use, of the service’s own, and in no commit unless the agent puts it there', async () => {
  const data = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
  const attachments = [
    { name: '../../logo file.bin', mediaType: 'application/octet-stream', data: data.toString('base64') },
    { name: 'logo file.bin', mediaType: 'application/octet-stream', data: '' },
  ]
  await client.run('files', 'look at it', { attachments })
  const [path = ''] = /\/[^"\\]*[0-9a-f]{6}-_+\.\._logo file\.bin/.exec(told()) ?? []
  expect((await client.git('ls-tree', '--name-only', 'thread-files')).split('\n')).toEqual(['README.md', 'src'])
  const folder = dirname(path)
  const used = await client.run('files', `run cp ${folder}/*_logo* logo.bin; (echo x >> ${folder}/*_logo*) || echo refused > refused.txt`, { attachments })
  expect(used.filesChanged).toEqual(process.getuid?.() === 0 ? ['logo.bin', 'refused.txt'] : ['logo.bin'])
  expect(await client.git('cat-file', '-s', 'thread-files:logo.bin')).toBe('256')
  expect((await client.run('files', `run ls ${folder} | grep . && touch there.txt; true`)).filesChanged).toBeUndefined()
})

it('a message that looks like a command of Claude Code is a message', async () => {
  await client.run('slash', 'write before.txt: remember this')
  expect(await client.run('slash', '/clear')).toMatchObject({ success: true, summary: expect.stringContaining('/clear') })
  await client.run('slash', 'still there?')
  expect(told()).toContain('remember this')
})

describe('a warm agent', () => {
  it('sees what was edited by hand, committed and undone meanwhile', async () => {
    await client.run('warm', 'write a.txt: from the agent')
    const tree = (await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'warm' })).body.workspace.projectPath
    await writeFile(join(tree, 'a.txt'), 'by hand\n')
    await client.run('warm', 'save it', { type: 'commit' })
    expect(await client.run('warm', 'run cat a.txt; git log -1 --format=%s')).toMatchObject({ summary: expect.stringMatching(/by hand[\s\S]*save it/) })
    await undo('warm')
    expect(await client.run('warm', 'run cat a.txt')).toMatchObject({ summary: expect.stringContaining('from the agent') })
    await writeFile(join(tree, 'a.txt'), 'by hand again\n')
    expect(await client.run('warm', 'replace hand with heart in a.txt')).toMatchObject({ success: true })
    expect(await client.git('show', 'thread-warm:a.txt')).toBe('by heart again')
  })
})
