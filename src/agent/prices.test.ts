import { expect, it } from 'vitest'
import { costOf } from './prices.ts'

const NONE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 }
const MILLION = 1_000_000
const output = (model: string): number => costOf(model, { ...NONE, output: MILLION })

it('each kind of tokens has its price', () => {
  const kinds = Object.keys(NONE).map((kind) => [kind, costOf('claude-sonnet-4-5', { ...NONE, [kind]: MILLION })])
  expect(Object.fromEntries(kinds)).toEqual({ input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75, cacheWriteHour: 6 })
})

it.each([
  ['claude-sonnet-4-5', 15],
  ['claude-sonnet-4-5-20250929', 15],
  ['claude-sonnet-4-5@20250929', 15],
  ['claude-opus-4-20250514', 75],
  ['claude-opus-4-1-20250805', 75],
  ['claude-opus-5', 25],
  ['claude-opus-5-5[1m]', 20],
  ['claude-haiku-4-5-latest', 5],
  ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 15],
  ['anthropic.claude-3-5-sonnet-20241022-v2:0', 15],
  ['us.anthropic.claude-opus-4-6-v1', 25],
  ['anthropic.claude-3-5-haiku-20241022-v1:0:200k', 4],
  ['arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0', 5],
])('%s is known', (model, dollars) => expect(output(model)).toBeCloseTo(dollars, 9))

it.each([
  '',
  'a-model',
  'constructor',
  'claude-opus-5-6',
  'claude-sonnet-6',
  'claude-haiku-5-5-turbo',
  'claude-haiku-4-5/claude-large',
  'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc',
])('%j costs as the dearest', (model) => expect(output(model)).toBe(75))

it('a long prompt costs more, where that is so, and all of its tokens count for its length', () => {
  const prompt = { ...NONE, cacheRead: 50_000, cacheWrite: 25_000, cacheWriteHour: 25_000, output: MILLION }
  expect(costOf('claude-haiku-5-5', prompt)).toBeCloseTo(0.5 + 0.0005 + 0.003125 + 0.005, 9)
  expect(costOf('claude-haiku-5-5', { ...prompt, input: 1 })).toBeGreaterThan(2.5)
})
