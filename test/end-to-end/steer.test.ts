import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { makeFailpoints, standIn, type Failpoints } from '../support/failpoints.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

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
  it('of another mode, or of another type, waits for its own turn', async () => {
    const hold = model.hold('write mode.txt')
    const first = await client.post('mode', 'write mode.txt: 1')
    await hold.reached
    const plan = await client.post('mode', 'write plan.txt: 2', { ...steer, mode: 'plan' })
    const commit = await client.post('mode', 'as it is', { ...steer, type: 'commit' })
    hold.release()
    expect(await client.result(first)).toMatchObject({ success: true, filesChanged: ['mode.txt'] })
    expect(await client.result(commit)).toMatchObject({ success: true, summary: 'nothing to commit' })
    const planned = await client.result(plan)
    expect(planned.joined).toBeUndefined()
    expect(planned.filesChanged).toBeUndefined()
  })
  it('brings its files along, in the order in which they came', async () => {
    await client.run('files', 'hello')
    const folder = `${(await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'files' })).body.workspace.projectPath}.given`
    const hold = model.hold('write files.txt')
    const first = await client.post('files', 'write files.txt: 1')
    await hold.reached
    const attachments = [{ name: `${'测'.repeat(150)}.bin`, mediaType: 'application/octet-stream', data: Buffer.from('of the logo').toString('base64') }]
    const second = await client.post('files', `run cat ${folder}/*.bin > logo.txt`, { ...steer, attachments })
    const third = await client.post('files', 'write after.txt: 3', steer)
    hold.release()
    expect(await client.result(first)).toMatchObject({ success: true, filesChanged: ['after.txt', 'files.txt', 'logo.txt'] })
    for (const id of [second, third]) expect(await client.result(id)).toMatchObject({ joined: `${first}#1` })
    expect(await client.git('show', 'thread-files:logo.txt')).toBe('of the logo')
  })
})

describe('a message that is steered into an edit whose agent has heard nothing yet', () => {
  let early: Service
  let mine: Client
  let failpoints: Failpoints
  beforeAll(async () => {
    failpoints = await makeFailpoints(join(await temporaryFolder(), 'failpoints'))
    early = await startService({ env: { ...standIn, ...failpoints.env, FIRST_USER_ID: '46000' } })
    mine = clientOf(early)
  })
  afterAll(async () => early[Symbol.asyncDispose]())

  /** An edit that stands still before its agent, with one steered into it. */
  async function standing(thread: string): Promise<{ readonly host: string; readonly steered: string; readonly release: () => void }> {
    const hold = failpoints.hold('run.begun')
    const host = await mine.post(thread, `write ${thread}.txt: one`)
    await hold.reached()
    const steered = await mine.post(thread, `write ${thread}.txt: two`, steer)
    return { host, steered, release: () => hold.release() }
  }
  it('goes along with the message that interrupts, after what it was steered into', async () => {
    const { host, steered, release } = await standing('newer')
    const newer = await mine.post('newer', 'write newest.txt: three')
    release()
    for (const id of [host, steered]) expect(await mine.result(id)).toMatchObject({ code: 'superseded', supersededBy: newer })
    expect(await mine.result(newer)).toMatchObject({ success: true, filesChanged: ['newer.txt', 'newest.txt'] })
    expect(await mine.git('show', 'thread-newer:newer.txt')).toBe('two')
  })
  it('has its own turn where somebody stops the edit', async () => {
    const { host, steered, release } = await standing('stopped')
    await mine.call('POST', mine.thread('stopped', 'interrupt'))
    release()
    expect(await mine.result(host)).toMatchObject({ interrupted: true })
    expect(await mine.result(steered)).toMatchObject({ success: true, filesChanged: ['stopped.txt'] })
  })
  it('has its own turn where the edit is stopped after a crash', async () => {
    const { host, steered, release } = await standing('crashed')
    await early.kill()
    release()
    const hold = failpoints.hold('run.begun')
    await early.restart()
    mine = clientOf(early)
    await hold.reached()
    await mine.call('POST', mine.thread('crashed', 'interrupt'))
    hold.release()
    expect(await mine.result(host)).toMatchObject({ interrupted: true })
    expect(await mine.result(steered)).toMatchObject({ success: true, filesChanged: ['crashed.txt'] })
  })
  it('after its agent has answered has its own turn, also where the service is killed before that is recorded', async () => {
    const hold = failpoints.hold('agent.answered')
    const host = await mine.post('answered', 'write answered.txt: one')
    await hold.reached()
    const steered = await mine.post('answered', 'write steered.txt: two', steer)
    failpoints.kill('save.noted')
    hold.release()
    await expect.poll(() => early.alive, { timeout: 20_000 }).toBe(false)
    await early.restart()
    mine = clientOf(early)
    expect(await mine.result(host)).toMatchObject({ success: true, filesChanged: ['answered.txt'] })
    expect(await mine.result(steered)).toMatchObject({ success: true, filesChanged: ['steered.txt'] })
  })
  it('fifty of them are each carried out once, in order', async () => {
    const host = await mine.post('fifty', 'run sleep 1')
    const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => mine.post('fifty', `run echo ${n} >> order.txt`, { ...steer, commandId: `fifty-${n}` })))
    for (const id of [host, ...ids]) expect(await mine.result(id)).toMatchObject({ success: true })
    const order = (await mine.git('show', 'thread-fifty:order.txt')).split('\n').map(Number)
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })
})
