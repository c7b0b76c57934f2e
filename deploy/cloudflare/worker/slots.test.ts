import { abortAllDurableObjects, reset, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'

afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const slots = () => env.SLOTS.getByName('slots')

it('are handed out in the order in which they were asked for, and never more than there are', async () => {
  const places = []
  for (const ticket of ['1/a', '1/b', '2/c', '2/d']) places.push(await slots().ask(ticket))
  expect(places.map(({ held, ahead }) => [held, ahead])).toEqual([
    [true, 0],
    [true, 0],
    [false, 0],
    [false, 1],
  ])
  expect(await slots().counts()).toEqual({ held: 2, waiting: 2 })
  await slots().release('1/a')
  expect(await slots().ask('2/c')).toMatchObject({ held: true })
  expect(await slots().ask('2/d')).toMatchObject({ held: false, ahead: 0 })
})

it('are handed over by whoever gives one back: two that are given back at once wake two who wait', async () => {
  for (const ticket of ['1/a', '1/b', '2/c', '2/d']) await slots().ask(ticket)
  await Promise.all([slots().release('1/a'), slots().release('1/b')])
  expect(await slots().counts()).toEqual({ held: 2, waiting: 0 })
})

it('that nothing is done with are asked for when another one waits, the longest unused first', async () => {
  for (const ticket of ['1/a', '1/b']) {
    await slots().ask(ticket)
    await slots().idle(ticket)
  }
  await runInDurableObject(slots(), (_, { storage }) => {
    storage.sql.exec("UPDATE line SET idle_since = idle_since - 1 WHERE ticket = '1/a'")
  })
  expect(await slots().idle('1/a')).toMatchObject({ held: true, wanted: false })
  await slots().ask('2/c')
  expect(await slots().idle('1/b')).toMatchObject({ held: true, wanted: false })
  expect(await slots().idle('1/a')).toMatchObject({ held: true, wanted: true })
  expect(await slots().ask('1/a')).toMatchObject({ held: true, wanted: false }) // it has work again
})

it('that were given up are not taken by saying that they are idle', async () => {
  expect(await slots().idle('1/a')).toMatchObject({ held: false })
  expect(await slots().counts()).toEqual({ held: 0, waiting: 0 })
})

it('survive the end of the object', async () => {
  for (const ticket of ['1/a', '1/b', '2/c']) await slots().ask(ticket)
  await abortAllDurableObjects()
  expect(await slots().ask('2/c')).toMatchObject({ held: false, ahead: 0 })
  expect(await slots().counts()).toEqual({ held: 2, waiting: 1 })
})

it('of somebody who says nothing any more go to the next one, when its container has been stopped', async () => {
  const asked = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response(''))
  for (const ticket of ['1/a', '1/b', '2/c']) await slots().ask(ticket)
  await runInDurableObject(slots(), (_, { storage }) => {
    storage.sql.exec("UPDATE line SET seen_at = seen_at - 100000 WHERE ticket = '1/a'")
  })
  expect(await runDurableObjectAlarm(slots())).toBe(true)
  expect(asked.mock.calls.map(([url, init]) => [url, init?.method])).toContainEqual(['http://containers.invalid/1%2Fa', 'DELETE'])
  expect(await slots().ask('2/c')).toMatchObject({ held: true })
  await runInDurableObject(slots(), async (_, { storage }) => expect(await storage.getAlarm()).not.toBeNull())
})
