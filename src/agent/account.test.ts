import { expect, it } from 'vitest'
import { someAccount } from '../../test/support/account.ts'

const MODEL = 'claude-opus-4-5'
/** An answer that ends with these tokens. */
function used(account: ReturnType<typeof someAccount>, model: string | undefined, tokens: ReturnType<typeof output>): void {
  const meter = account.request()
  meter.count(model, tokens)
  meter.end()
}
const output = (count: number) => ({ input: 0, output: count, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 })
const nothing = output(0)

it('counts what is used once, when an answer has ended, and nothing for an answer that used nothing', async () => {
  const account = someAccount()
  const meter = account.request()
  for (const count of [1, 5, 9, 10]) meter.count(MODEL, output(count))
  meter.end()
  meter.end()
  used(account, MODEL, nothing)
  await account.settled()
  expect(account.uses).toEqual([{ tokens: output(10), costUsd: (25 * 10) / 1_000_000 }])
  expect(account.over.aborted).toBe(false)
})

it.each(['command', 'thread', 'day'] as const)('stops in the middle of an answer when the budget of the %s is spent', (scope) => {
  const account = someAccount({ budgets: { command: undefined, thread: undefined, day: undefined, [scope]: 1 } })
  const meter = account.request()
  meter.count(MODEL, output(39_999))
  expect(account.over.aborted).toBe(false)
  meter.count(MODEL, output(40_000))
  expect(account.over.reason).toMatchObject({ name: 'OverBudget', scope, limitUsd: 1 })
})

it('answers that stream side by side count together', () => {
  const account = someAccount({ budgets: { command: 1, thread: undefined, day: undefined } })
  for (const meter of [account.request(), account.request()]) meter.count(MODEL, output(20_000))
  expect(account.over.aborted).toBe(true)
})

it('is spent from the beginning where nothing was left', () => {
  const spent = { command: 0, thread: 3, day: 3 }
  expect(someAccount({ spent, budgets: { command: undefined, thread: 3, day: undefined } }).over.aborted).toBe(true)
})

it('counts what others of the same user have spent, and its own where that could not be recorded', async () => {
  const budgets = { command: undefined, thread: undefined, day: 1 }
  const others = someAccount({ budgets, record: async () => ({ command: 0.1, thread: 0.1, day: 1 }) })
  used(others, MODEL, output(1))
  await others.settled()
  expect(others.over.aborted).toBe(true)
  const alone = someAccount({ budgets, record: async () => undefined })
  for (let each = 0; each < 2; each += 1) used(alone, MODEL, output(20_000))
  await alone.settled()
  expect(alone.over.aborted).toBe(true)
})

it('charges nothing for a scripted model, and a model without a name as the dearest', async () => {
  const free = someAccount({ free: true, budgets: { command: 0.000_001, thread: undefined, day: undefined } })
  used(free, MODEL, output(1_000_000))
  expect(free.over.aborted).toBe(false)
  const unknown = someAccount()
  used(unknown, undefined, output(1_000_000))
  await unknown.settled()
  expect(unknown.uses[0]?.costUsd).toBe(75)
})

it('counts what was sent where a request was given up before the model said what it used, and nothing where it was refused', async () => {
  const account = someAccount()
  const [givenUp, refused] = [account.request(), account.request()]
  for (const meter of [givenUp, refused]) meter.sent(4000)
  refused.free()
  for (const meter of [givenUp, refused]) meter.end()
  await account.settled()
  expect(account.uses.map(({ tokens }) => tokens.input)).toEqual([1000])
})

it('lets no more be asked side by side than may cost what was sent of it, and than Claude Code asks', () => {
  const account = someAccount({ budgets: { command: 1, thread: undefined, day: undefined } })
  account.request().sent(4 * 1_000_000)
  expect(account.mayAsk()).toBe(false)
  const free = someAccount()
  for (let n = 0; n < 8; n += 1) {
    expect(free.mayAsk()).toBe(true)
    free.request().sent(1_000_000)
  }
  expect(free.mayAsk()).toBe(false)
})
