import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunEvent } from '../../src/command/event.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startGate, type Gate } from '../support/gate.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, gate, service, client]: [Model, Gate, Service, Client] = [undefined!, undefined!, undefined!, undefined!]
const env = () => ({
  ANTHROPIC_BASE_URL: gate.url,
  ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
  CONCURRENCY: '4',
  MAX_RUNS: '4',
  INTERRUPTS_PER_MINUTE: '1000',
})

beforeAll(async () => {
  model = await startModel()
  gate = await startGate(model.url)
  service = await startService({ env: { ...env(), MAX_COST_USD: '1', MAX_COST_USD_PER_THREAD: '1.5', MAX_COST_USD_PER_DAY: '3' } })
  client = clientOf(service)
  model.price('dear') // an answer costs 0.22 USD
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const costs = async (of: Client, user: string) => (await of.call('GET', `/api/costs/acme/${user}`)).body
const some = (count: number): string => Array.from({ length: count }, (_, n) => `write ${n}.txt: ${n}`).join(' then ')

describe('what is spent', () => {
  it('is told of the command, its thread, its user and day, as it is counted, and is the same after a restart', async () => {
    const mine = clientOf(service, 'counted')
    const result = await mine.run('sum', 'write dear.txt: x')
    expect(result.costUsd).toBeCloseTo(0.22, 3)
    expect(result.tokens).toMatchObject({ input: 50_000, output: expect.any(Number) })
    const seen: RunEvent[] = []
    for await (const event of mine.events('sum')) {
      seen.push(event)
      if (event.type === 'run.ended') break
    }
    expect(seen.flatMap((event) => (event.type === 'cost.counted' ? [event.totalCostUsd] : [])).at(-1)).toBeCloseTo(0.22, 3)
    await mine.run('other', 'write dear.txt: y')
    expect((await mine.call('GET', '/api/status/acme/counted/sum')).body.costUsd).toBeCloseTo(0.22, 3)
    const before = await costs(mine, 'counted')
    expect(before).toMatchObject({ limits: { commandUsd: 1, threadUsd: 1.5, dayUsd: 3 }, days: [{ requests: 2 }] })
    expect(before.days[0].costUsd).toBeCloseTo(0.44, 2)
    await service.kill()
    await service.restart()
    expect(await costs(clientOf(service, 'counted'), 'counted')).toEqual(before)
  })
  it('counts over all attempts of a command, so that a crash gives nothing back', async () => {
    const mine = clientOf(service, 'crashed')
    const hold = model.hold('dear-crash', 1)
    model.price('dear-crash')
    const id = await mine.post('c', 'write dear-crash.txt: x then write more.txt: y')
    await hold.reached
    hold.release()
    await mine.event('c', (event) => event.type === 'cost.counted')
    await service.kill()
    await service.restart()
    const result = await clientOf(service, 'crashed').result(id)
    expect(result.costUsd).toBeGreaterThan(0.43)
  })
})

describe('a budget', () => {
  it('of the operator for each command ends the run in the middle, with its work committed, and says so', async () => {
    const mine = clientOf(service, 'command')
    const result = await mine.run('b', `write dear.txt: x then ${some(8)}`)
    expect(result).toMatchObject({ success: false, code: 'budget', error: expect.stringContaining('MAX_COST_USD') })
    expect(result.filesChanged).toContain('dear.txt')
    expect(result.filesChanged).not.toContain('7.txt')
    expect(result.costUsd).toBeGreaterThanOrEqual(1)
    expect(result.costUsd).toBeLessThan(1.3)
  })
  it('of a message may be smaller, and is never larger than the operator’s', async () => {
    const mine = clientOf(service, 'asked')
    const small = await mine.run('s', `write dear.txt: x then ${some(3)}`, { maxCostUsd: 0.3 })
    expect(small).toMatchObject({ code: 'budget' })
    expect(small.costUsd).toBeLessThan(0.6)
    expect(await mine.run('l', `write dear.txt: x then ${some(8)}`, { maxCostUsd: 5000 })).toMatchObject({ code: 'budget' })
  })
  it('of a thread ends its runs, and no other thread’s; what begins with nothing left asks no model', async () => {
    const mine = clientOf(service, 'thread')
    for (let n = 0; n < 2; n += 1) await mine.run('t', `write dear${n}.txt: x then ${some(2)}`)
    expect(await mine.run('t', `write dear2.txt: x then ${some(2)}`)).toMatchObject({ code: 'budget', error: expect.stringContaining('PER_THREAD') })
    const asked = model.requests.length
    expect(await mine.run('t', 'write more.txt: x')).toMatchObject({ code: 'budget', error: expect.stringContaining('PER_THREAD') })
    expect(model.requests).toHaveLength(asked)
    expect(await mine.run('fresh', 'write ok.txt: x')).toMatchObject({ success: true })
  })
  it('of a day holds for all threads of a user, and for nobody else', async () => {
    const mine = clientOf(service, 'day')
    const results = await Promise.all([1, 2, 3, 4].map((n) => mine.run(`d${n}`, `write dear.txt: x then ${some(5)}`)))
    expect(results.some(({ code }) => code === 'budget')).toBe(true)
    expect((await costs(mine, 'day')).days[0].costUsd).toBeLessThan(3 + 4 * 0.25)
    expect(await mine.run('last', 'write x.txt: x')).toMatchObject({ code: 'budget', error: expect.stringContaining('PER_DAY') })
    expect(await clientOf(service, 'another').run('x', 'write x.txt: x')).toMatchObject({ success: true })
  })
})

describe('a model that takes no requests for a while', () => {
  it('is waited for, visibly, without using up attempts; then the command goes on', async () => {
    gate.limit('limited.txt', 6)
    const id = await client.post('limited', 'write limited.txt: done')
    const told = await client.event('limited', (event) => event.type === 'progress' && event.text.includes('takes no requests before'))
    expect(told).toMatchObject({ commandId: id })
    const { body } = await client.call('GET', `/api/commands/${id}?clientId=acme&userId=me`)
    expect(body).toMatchObject({ state: 'queued', waitingUntil: expect.stringMatching(/^\d{4}-/) })
    expect((await client.call('GET', '/api/status/acme/me/limited')).body.waitingUntil).toBe(body.waitingUntil)
    expect(await client.result(id)).toMatchObject({ success: true, attempt: 1, filesChanged: ['limited.txt'] })
  })
  it('is waited for over a restart too, and an interrupt ends the waiting', async () => {
    gate.limit('patient.txt', 3600)
    const id = await client.post('patient', 'write patient.txt: never')
    await client.event('patient', (event) => event.type === 'progress' && event.text.includes('takes no requests before'))
    await service.restart()
    const again = clientOf(service)
    expect((await again.call('GET', `/api/commands/${id}?clientId=acme&userId=me`)).body).toMatchObject({ state: 'queued', waitingUntil: expect.any(String) })
    expect((await again.call('POST', again.thread('patient', 'interrupt'))).body).toMatchObject({ interrupted: id })
    expect(await again.result(id)).toMatchObject({ interrupted: true, code: 'interrupted' })
  })
  it('fails the command at once where its sender asked for that, or where it would take too long', async () => {
    const mine = clientOf(service)
    gate.limit('hasty.txt', 600)
    const hasty = await mine.run('hasty', 'write hasty.txt: x', { onRateLimit: 'fail' })
    expect(hasty).toMatchObject({ success: false, code: 'rate_limited', error: expect.stringContaining('takes no requests before') })
    gate.limit('long.txt', 7 * 3600)
    expect(await mine.run('long', 'write long.txt: x')).toMatchObject({ success: false, code: 'rate_limited' })
  })
})
