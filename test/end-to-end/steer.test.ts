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

const steer = { delivery: 'steer' }

describe('a message that is steered into a running edit', () => {
  it('is read in the middle of its turn, and ends with its commit and summary', async () => {
    const hold = model.hold('write one.txt')
    const first = await client.post('mid', 'write one.txt: 1 then run sleep 0.2')
    await hold.reached
    const second = await client.post('mid', 'write gap.txt: minded', steer)
    hold.release()
    const result = await client.result(first)
    expect(result).toMatchObject({ success: true, filesChanged: ['gap.txt', 'one.txt'], summary: expect.stringMatching(/one[\s\S]*gap/) })
    const { costUsd: _cost, tokens: _tokens, ...same } = result
    expect(await client.result(second)).toEqual({ ...same, commandId: second, joined: `${first}#1` })
    expect((await client.git('log', '--format=%s', 'thread-mid')).split('\n')).toHaveLength(2)
  })
  it('too late for its turn gets one of its own, in the same run and commit', async () => {
    const hold = model.hold('write late.txt', 1)
    const first = await client.post('late', 'write late.txt: 1')
    await hold.reached
    const second = await client.post('late', 'write more.txt: 2', steer)
    hold.release()
    expect(await client.result(first)).toMatchObject({
      success: true,
      filesChanged: ['late.txt', 'more.txt'],
      summary: expect.stringMatching(/late[\s\S]*more/),
    })
    expect(await client.result(second)).toMatchObject({ joined: `${first}#1` })
  })
  it('with none running is a message like another', async () => {
    expect(await client.run('idle', 'write a.txt: a', steer)).toMatchObject({ success: true, filesChanged: ['a.txt'] })
  })
  it('that it has not read when it is stopped is queued, and carried out', async () => {
    const hold = model.hold('write stuck.txt')
    const first = await client.post('stop', 'write stuck.txt: 1')
    await hold.reached
    const second = await client.post('stop', 'write kept.txt: 2', steer)
    const third = await client.post('stop', 'write third.txt: 3', { delivery: 'queue' })
    await client.call('POST', client.thread('stop', 'interrupt'))
    hold.release()
    expect(await client.result(first)).toMatchObject({ interrupted: true })
    expect(await client.result(second)).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    expect(await client.result(third)).toMatchObject({ success: true, filesChanged: ['third.txt'] })
    expect(await client.git('log', '-2', '--format=%s', 'thread-stop')).toBe('Wrote third.txt\nWrote kept.txt')
  })
  it('that it has not read when a newer message interrupts it goes along with that one', async () => {
    const hold = model.hold('write old.txt')
    const first = await client.post('newer', 'write old.txt: 1')
    await hold.reached
    const second = await client.post('newer', 'write steered.txt: 2', steer)
    const third = await client.run('newer', 'write new.txt: 3')
    hold.release()
    expect(await client.result(first)).toMatchObject({ interrupted: true })
    expect(await client.result(second)).toMatchObject({ code: 'superseded', supersededBy: third.commandId })
    expect(third).toMatchObject({ success: true, filesChanged: ['new.txt', 'steered.txt'] })
  })
  it('goes along when the run is tried again after a crash, and both end once', async () => {
    const hold = model.hold('write crash.txt')
    const first = await client.post('crash', 'write crash.txt: 1')
    await hold.reached
    const second = await client.post('crash', 'write with.txt: 2', steer)
    await service.kill()
    hold.release()
    await service.restart()
    client = clientOf(service)
    const result = await client.result(first)
    expect(result).toMatchObject({ success: true, attempt: 2, filesChanged: ['crash.txt', 'with.txt'] })
    expect(await client.result(second)).toMatchObject({ joined: `${first}#2`, commit: result.commit })
  })
  it('of another mode, or for a build, waits for its own turn', async () => {
    const hold = model.hold('write mode.txt')
    const first = await client.post('mode', 'write mode.txt: 1')
    await hold.reached
    const plan = await client.post('mode', 'write plan.txt: 2', { ...steer, mode: 'plan' })
    hold.release()
    expect(await client.result(first)).toMatchObject({ success: true, filesChanged: ['mode.txt'] })
    const planned = await client.result(plan)
    expect(planned.joined).toBeUndefined()
    expect(planned.filesChanged).toBeUndefined()
  })
})
