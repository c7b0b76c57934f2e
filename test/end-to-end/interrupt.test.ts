import { watch } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { SLOWLY, startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', INTERRUPTS_PER_MINUTE: '1000' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

describe('a newer message', () => {
  it('stops the model while it streams; both pieces of work are in the log', async () => {
    await client.run('stream', 'write before.txt: first')
    const slow = await client.post('stream', `tell a long story ${SLOWLY}`)
    await client.event('stream', (event) => event.type === 'agent.said' && event.commandId === slow)
    const second = await client.run('stream', 'write after.txt: second')
    expect(await client.result(slow)).toMatchObject({ success: false, interrupted: true, code: 'interrupted' })
    expect(second).toMatchObject({ success: true, filesChanged: ['after.txt'] })
  })

  it('stops a shell command, its grandchildren and what left its session; what was written is committed', async () => {
    const command = `run echo kept > kept.txt; setsid sleep 301 & (sleep 302 & sleep 303) & echo started; sleep 304; echo never`
    const busy = await client.post('shell', command)
    await client.event('shell', (event) => event.type === 'tool.started' && event.commandId === busy)
    await sleepers(4)
    const second = await client.run('shell', 'write after.txt: second')
    const interrupted = await client.result(busy)
    expect(interrupted).toMatchObject({ interrupted: true, filesChanged: ['kept.txt'] })
    expect(await client.git('log', '-1', '--format=%s', interrupted.commit ?? '')).toBe('Interrupted by new message')
    expect(await client.git('show', `${second.commit}:kept.txt`)).toBe('kept')
    await sleepers(0)
  })

  it('that arrives during a commit waits for it and tears nothing', async () => {
    await client.run('many', 'hello')
    const indexes = join(service.workspace, '.branchline', 'indexes')
    const staging = Promise.withResolvers<void>()
    const watcher = watch(indexes, (_, name) => name?.endsWith('.next') === true && staging.resolve())
    const busy = await client.post('many', 'run mkdir many && cd many && for i in $(seq 3000); do echo $i > $i.txt; done')
    await staging.promise
    watcher.close()
    const second = await client.run('many', 'write after.txt: second')
    const first = await client.result(busy)
    expect(second.success).toBe(true)
    expect(first.commit).toBeDefined()
    expect((await client.git('ls-tree', '--name-only', `${first.commit}:many`)).split('\n')).toHaveLength(3000)
    expect(await client.git('fsck', '--strict', '--no-dangling')).toBe('')
    expect((await readdir(client.repository)).filter((name) => name.endsWith('.lock'))).toEqual([])
  })

  it('takes along the text of one that has not begun', async () => {
    const hold = model.hold('hold-a')
    const first = await client.post('carry', 'write hold-a.txt: one')
    await hold.reached
    await client.post('other-1', `chatter ${SLOWLY}`)
    const second = await client.post('carry', 'write two.txt: two', { delivery: 'queue' })
    const third = await client.post('carry', 'write three.txt: three')
    hold.release()
    expect(await client.result(second)).toMatchObject({ success: false, code: 'superseded', supersededBy: third })
    const result = await client.result(third)
    expect(result.filesChanged).toEqual(['three.txt', 'two.txt'])
    expect((await client.result(first)).interrupted).toBe(true)
    await client.call('POST', client.thread('other-1', 'interrupt'))
  })

  it('takes along the text of one that the agent never heard', async () => {
    await Promise.all(
      ['one', 'two', 'three', 'four', 'five'].map((name) => client.post('unheard', `write ${name}.txt: ${name}`, { commandId: `unheard-${name}` })),
    )
    const results = await Promise.all(['one', 'two', 'three', 'four', 'five'].map((name) => client.result(`unheard-${name}`)))
    expect(results.filter((result) => result.success)).toHaveLength(1)
    const files = (await client.git('ls-tree', '--name-only', 'thread-unheard')).split('\n')
    expect(files).toEqual(
      expect.arrayContaining(results.filter((result) => result.interrupted !== true).map((result) => `${result.commandId.slice('unheard-'.length)}.txt`)),
    )
  })

  it('of delivery queue interrupts nobody', async () => {
    const hold = model.hold('hold-b')
    const first = await client.post('patient', 'write hold-b.txt: one')
    await hold.reached
    const second = await client.post('patient', 'write two.txt: two', { delivery: 'queue' })
    const commit = await client.post('patient', 'a commit', { type: 'commit' })
    hold.release()
    expect(await client.result(first)).toMatchObject({ success: true, filesChanged: ['hold-b.txt'] })
    expect(await client.result(second)).toMatchObject({ success: true, filesChanged: ['two.txt'] })
    expect(await client.result(commit)).toMatchObject({ success: true, summary: 'nothing to commit' })
  })

  it('for another thread lets this one go on', async () => {
    const hold = model.hold('hold-c')
    const first = await client.post('left', 'write hold-c.txt: one')
    await hold.reached
    expect(await client.run('right', 'write right.txt: two')).toMatchObject({ success: true })
    hold.release()
    expect(await client.result(first)).toMatchObject({ success: true })
  })
})

it('the interrupt route stops a run without a new message', async () => {
  const slow = await client.post('stop', `tell a long story ${SLOWLY}`)
  await client.event('stop', (event) => event.type === 'agent.said' && event.commandId === slow)
  expect((await client.call('POST', client.thread('stop', 'interrupt'))).body).toEqual({ success: true, interrupted: slow })
  expect(await client.result(slow)).toMatchObject({ interrupted: true })
  expect((await client.call('POST', client.thread('stop', 'interrupt'))).body).toEqual({ success: true, interrupted: null })
})

it('a run that fails for a passing reason is tried again and goes on', async () => {
  model.fail('brave', 529, 8)
  const result = await client.run('retry', 'write brave.txt: in the end')
  expect(result).toMatchObject({ success: true, filesChanged: ['brave.txt'] })
  expect(result.attempt).toBeGreaterThan(1)
})

it('a refusal of the model is not tried again', async () => {
  model.fail('forbidden', 403, 100)
  expect(await client.run('refused', 'write forbidden.txt: x')).toMatchObject({ success: false, code: 'agent_failed', attempt: 1 })
})

/** Waits until as many of the sleeping children are alive; a deadline of the test tells if they never are. */
async function sleepers(count: number): Promise<void> {
  for (;;) {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
    if (lines.filter((line) => /^sleep\0+30[1-4]\0/.test(line)).length === count) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
