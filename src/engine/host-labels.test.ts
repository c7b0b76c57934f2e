import { expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, UserId } from '../command/ids.ts'
import { HostLabels } from './host-labels.ts'

const ref = (user: string, thread: string) => ({
  clientId: ClientId.parse('acme'),
  userId: UserId.parse(user),
  projectId: ProjectId.parse('project'),
  threadId: ThreadId.parse(thread),
})
const labelsOf = (...refs: readonly ReturnType<typeof ref>[]) =>
  new HostLabels({ everyThread: async () => refs.map((each, at) => ({ ref: each, createdAt: at, slotNumber: at }) as never) })

it('a thread whose id makes a label of a host name has that one', async () => {
  const labels = labelsOf(ref('me', 'hello'))
  expect(await labels.labelOf(ref('me', 'hello'))).toBe('thread-hello')
  expect(await labels.threadOf('thread-hello')).toEqual(ref('me', 'hello'))
  expect(await labels.threadOf('thread-nobody')).toBeUndefined()
})

it('ids that make none, and ids that another user has too, have one with a hash, the same at every start', async () => {
  const odd = [ref('me', 'Hello.World@2'), ref('you', 'hello'), ref('me', 'hello'), ref('me', 'x'.repeat(100))]
  for (const labels of [labelsOf(...odd), labelsOf(...odd)]) {
    const all = await Promise.all(odd.map((each) => labels.labelOf(each)))
    expect(all[0]).toMatch(/^thread-hello-world-2-[0-9a-f]{8}$/)
    expect(all[1]).toBe('thread-hello')
    expect(all[2]).toMatch(/^thread-hello-[0-9a-f]{8}$/)
    expect(all[3]).toMatch(/^thread-x{33}-[0-9a-f]{8}$/)
    for (const [at, label] of all.entries()) expect(await labels.threadOf(label ?? '')).toEqual(odd[at])
  }
})

it('a thread that is called like the label of another gets one of its own', async () => {
  const first = ref('me', 'hello!'.replace('!', '.x'))
  const taken = (await labelsOf(first).labelOf(first)) ?? ''
  const second = ref('me', taken.replace('thread-', ''))
  const labels = labelsOf(first, second)
  expect(await labels.labelOf(first)).toBe(taken)
  expect(await labels.labelOf(second)).not.toBe(taken)
})
