import { expect, it, vi } from 'vitest'
import { backOff } from './back-off.ts'
import { Looking } from './looking.ts'

it('a look that fails is told, and the next one comes', async () => {
  const failed: unknown[] = []
  const look = vi.fn<() => Promise<void>>().mockRejectedValueOnce('the disk is full').mockResolvedValue()
  await using looking = new Looking(look, 1, (error) => void failed.push(error))
  looking.start()
  await vi.waitFor(() => expect(look.mock.calls.length).toBeGreaterThan(2))
  expect(failed).toEqual(['the disk is full'])
})

it('a ring during a look is another look', async () => {
  const held = Promise.withResolvers<void>()
  const look = vi.fn<() => Promise<void>>().mockReturnValueOnce(held.promise).mockResolvedValue()
  await using looking = new Looking(look, 0, () => {})
  looking.start()
  looking.ring()
  looking.ring()
  held.resolve()
  await vi.waitFor(() => expect(look).toHaveBeenCalledTimes(2))
})

it.each([
  [0, 500, 1000],
  [1, 1000, 2000],
  [5, 16_000, 32_000],
  [6, 30_000, 60_000],
  [5000, 30_000, 60_000],
])('after %i tries the wait is between %i and %i ms', (tries, least, most) => {
  for (let n = 0; n < 200; n += 1) {
    const wait = backOff(tries, 1000, 60_000)
    expect(Number.isInteger(wait)).toBe(true)
    expect(wait).toBeGreaterThanOrEqual(least)
    expect(wait).toBeLessThanOrEqual(most)
  }
})
