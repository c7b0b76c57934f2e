import { expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, UserId } from '../../command/ids.ts'
import { Presence } from './presence.ts'

const ref = { clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('project'), threadId: ThreadId.parse('hello') }
const namesIn = (people: string | undefined): readonly string[] => JSON.parse(people ?? '{"people":[]}').people.map(({ name }: { name: string }) => name)

it('tells who watches, and who has gone', async () => {
  const presence = new Presence()
  const heard: string[] = []
  using _anna = presence.enter(ref, { name: 'Anna', role: 'work' }, async (people) => void heard.push(people))
  const ben = presence.enter(ref, { name: 'Ben', role: 'view' }, async () => {})
  await expect.poll(() => namesIn(heard.at(-1))).toEqual(['Anna', 'Ben'])
  ben[Symbol.dispose]()
  await expect.poll(() => namesIn(heard.at(-1))).toEqual(['Anna'])
})

it('keeps for who reads slowly the latest alone, and tells no more names than anybody reads', async () => {
  const presence = new Presence()
  const told: string[] = []
  let release = (): void => {}
  using _slow = presence.enter(ref, { name: 'slow', role: 'view' }, (people) => {
    told.push(people)
    return new Promise((resolve) => (release = resolve))
  })
  await expect.poll(() => told.length).toBe(1)
  const watchers: Disposable[] = []
  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 100; n += 1) watchers.push(presence.enter(ref, { name: `${round} ${n}`, role: 'view' }, async () => {}))
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  expect(told).toHaveLength(1)
  release()
  await expect.poll(() => told.length).toBe(2)
  expect(namesIn(told[1])).toHaveLength(50)
  for (const each of watchers) each[Symbol.dispose]()
})
