import { expect, it } from 'vitest'
import { healthOf } from './acceptance.ts'
import type { Tools } from './tools.ts'

const tools = (kept: boolean, undelivered: number, writable: boolean) =>
  ({ room: { kept: async () => kept }, journal: { outboxSize: async () => undelivered, writable: async () => writable } }) as unknown as Tools

it.each([
  [true, 9999, true, 'healthy'],
  [true, 10_000, true, 'backlog'],
  [false, 0, true, 'full'],
  [true, 0, false, 'unwritable'],
] as const)('with room %s, %i results that have not arrived and a journal that can be written %s it is %s', async (kept, undelivered, writable, health) =>
  expect(await healthOf(tools(kept, undelivered, writable))).toBe(health),
)
