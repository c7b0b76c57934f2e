import { expect, it } from 'vitest'
import { someAccount } from '../../test/support/account.ts'

const MODEL = 'claude-opus-4-5'
const output = (count: number) => ({ input: 0, output: count, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 })
const nothing = output(0)

it('counts what is used once, when an answer has ended, and nothing for an answer that used nothing', async () => {
  const account = someAccount()
  const tell = account.request()
  for (const count of [1, 5, 9]) tell(MODEL, output(count), false)
  tell(MODEL, output(10), true)
  account.request()(MODEL, nothing, true)
  await account.settled()
  expect(account.uses).toEqual([{ tokens: output(10), costUsd: (25 * 10) / 1_000_000 }])
  expect(account.over.aborted).toBe(false)
})

it.each(['command', 'thread', 'day'] as const)('stops in the middle of an answer when the budget of the %s is spent', (scope) => {
  const account = someAccount({ limits: { command: undefined, thread: undefined, day: undefined, [scope]: 1 } })
  const tell = account.request()
  tell(MODEL, output(39_999), false)
  expect(account.over.aborted).toBe(false)
  tell(MODEL, output(40_000), false)
  expect(account.over.reason).toMatchObject({ name: 'OverBudget', scope, limitUsd: 1 })
})

it('answers that stream side by side count together', () => {
  const account = someAccount({ limits: { command: 1, thread: undefined, day: undefined } })
  for (const tell of [account.request(), account.request()]) tell(MODEL, output(20_000), false)
  expect(account.over.aborted).toBe(true)
})

it('is spent from the beginning where nothing was left', () => {
  const spent = { command: 0, thread: 3, day: 3 }
  expect(someAccount({ spent, limits: { command: undefined, thread: 3, day: undefined } }).over.aborted).toBe(true)
})

it('counts what others of the same user have spent, and its own where that could not be recorded', async () => {
  const limits = { command: undefined, thread: undefined, day: 1 }
  const others = someAccount({ limits, record: async () => ({ command: 0.1, thread: 0.1, day: 1 }) })
  others.request()(MODEL, output(1), true)
  await others.settled()
  expect(others.over.aborted).toBe(true)
  const alone = someAccount({ limits, record: async () => ({ command: 0, thread: 0, day: 0 }) })
  for (let each = 0; each < 2; each += 1) alone.request()(MODEL, output(20_000), true)
  await alone.settled()
  expect(alone.over.aborted).toBe(true)
})

it('charges nothing for a scripted model, and a model without a name as the dearest', async () => {
  const free = someAccount({ free: true, limits: { command: 0.000_001, thread: undefined, day: undefined } })
  free.request()(MODEL, output(1_000_000), true)
  expect(free.over.aborted).toBe(false)
  const unknown = someAccount()
  unknown.request()(undefined, output(1_000_000), true)
  await unknown.settled()
  expect(unknown.uses[0]?.costUsd).toBe(75)
})
