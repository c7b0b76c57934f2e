import { describe, expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, threadKey, UserId, workspaceKey } from '../command/ids.ts'
import { Lanes, type Arrival, type LaneRules } from './lanes.ts'
import { Interrupted } from './reasons.ts'

const RULES: LaneRules = { concurrency: 2, maxRuns: 8, minRunMs: 0, interruptsPerMinute: 100 }

/** Lanes with runs that end when they are told to, or when they are stopped. */
function lanesWith(rules: Partial<LaneRules> = {}) {
  const lanes = new Lanes({ ...RULES, ...rules })
  const begun: string[] = []
  const ended: string[] = []
  const finish = new Map<string, (again?: number) => void>()
  const place = (thread: string, needsLane: boolean, user: string) => {
    const ref = { clientId: ClientId.parse('acme'), userId: UserId.parse(user), projectId: ProjectId.parse('p'), threadId: ThreadId.parse(thread) }
    return { workspace: workspaceKey(ref), thread: threadKey(ref), needsLane }
  }
  const add = (name: string, { thread = 'one', needsLane = true, interrupts = false, user = 'me' } = {}): Arrival => {
    const arrival = lanes.arrive(place(thread, needsLane, user), interrupts)
    if (arrival.inTheWay !== undefined) lanes.interrupt(arrival.inTheWay, name, arrival.entry)
    lanes.ready(arrival.entry, async (stop) => {
      begun.push(name)
      const again = await new Promise<number | undefined>((resolve) => {
        finish.set(name, resolve)
        stop.addEventListener('abort', () => resolve(undefined))
        if (stop.aborted) resolve(undefined)
      })
      ended.push(`${name}${stop.aborted ? ` stopped by ${stop.reason instanceof Interrupted ? stop.reason.by : 'shutdown'}` : ''}`)
      return again === undefined ? undefined : { againInMs: again }
    })
    return arrival
  }
  const end = async (name: string, again?: number): Promise<void> => {
    finish.get(name)?.(again)
    await settled()
  }
  return { lanes, add, end, begun, ended }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

describe('a thread', () => {
  it('has one turn at a time, in the order of arrival', async () => {
    const { add, end, begun } = lanesWith()
    add('a')
    add('b')
    add('c', { needsLane: false })
    expect(begun).toEqual(['a'])
    await end('a')
    expect(begun).toEqual(['a', 'b'])
    await end('b')
    expect(begun).toEqual(['a', 'b', 'c'])
  })
  it('is interrupted by its own new message, which is next', async () => {
    const { add, begun, ended } = lanesWith()
    add('a')
    add('b', { interrupts: true })
    await settled()
    expect(ended).toEqual(['a stopped by b'])
    expect(begun).toEqual(['a', 'b'])
  })
  it('is not interrupted by a message of another thread while a lane is free or not', async () => {
    const { add, begun, ended } = lanesWith({ concurrency: 2 })
    add('a')
    add('b', { thread: 'two', interrupts: true })
    add('c', { thread: 'three', interrupts: true })
    await settled()
    expect(ended).toEqual([])
    expect(begun).toEqual(['a', 'b'])
  })
  it('keeps its place while it waits to be tried again', async () => {
    const { add, end, begun } = lanesWith()
    add('a')
    add('b')
    await end('a', 20)
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(begun).toEqual(['a', 'a'])
  })
  it('that waits to be tried again gives way to a new message at once', async () => {
    const { add, end, begun, ended } = lanesWith()
    add('a')
    await end('a', 60_000)
    add('b', { interrupts: true })
    await settled()
    expect(ended).toEqual(['a', 'a stopped by b'])
    expect(begun).toEqual(['a', 'a', 'b'])
  })
})

describe('with one lane', () => {
  it('any new edit interrupts the running one and is next, whatever else waits', async () => {
    const { add, begun, ended } = lanesWith({ concurrency: 1 })
    add('a1')
    add('a2')
    add('b', { thread: 'two', interrupts: true })
    await settled()
    expect(ended).toEqual(['a1 stopped by b'])
    expect(begun).toEqual(['a1', 'b'])
  })
  it('what only moves refs needs none', () => {
    const { add, begun } = lanesWith({ concurrency: 1 })
    add('a')
    add('commit', { thread: 'two', needsLane: false })
    expect(begun).toEqual(['a', 'commit'])
  })
})

it('MAX_RUNS bounds all workspaces together', async () => {
  const { add, end, begun } = lanesWith({ maxRuns: 1 })
  add('a')
  add('b', { user: 'other' })
  expect(begun).toEqual(['a'])
  await end('a')
  expect(begun).toEqual(['a', 'b'])
})

it('a run gets its least time before it is interrupted', async () => {
  const { add, ended } = lanesWith({ minRunMs: 50 })
  add('a')
  add('b', { interrupts: true })
  await settled()
  expect(ended).toEqual([])
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(ended).toEqual(['a stopped by b'])
})

it('a flood of interrupts becomes a queue', async () => {
  const { add, ended } = lanesWith({ interruptsPerMinute: 2 })
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    add(name, { interrupts: true })
    await settled()
  }
  expect(ended).toEqual(['a stopped by b', 'b stopped by c'])
})

it('closing stops what runs, begins nothing more and resolves when all has ended', async () => {
  const { lanes, add, begun, ended } = lanesWith()
  add('a')
  add('b')
  await lanes.close()
  expect(ended).toEqual(['a stopped by shutdown'])
  expect(begun).toEqual(['a'])
  await lanes.close()
})

it('closing ends where the last place is given up', async () => {
  const { lanes } = lanesWith()
  const { entry } = lanes.arrive(
    {
      workspace: workspaceKey({ clientId: ClientId.parse('a'), userId: UserId.parse('b'), projectId: ProjectId.parse('c') }),
      thread: threadKeyOf('one'),
      needsLane: true,
    },
    false,
  )
  const closed = lanes.close()
  lanes.leave(entry)
  await closed
})

it('a place that is given up lets the next one have its turn', () => {
  const { lanes, add, begun } = lanesWith()
  const reserved = lanes.arrive({ workspace: add('x', { thread: 'other' }).entry.place.workspace, thread: threadKeyOf('one'), needsLane: true }, false)
  add('b')
  expect(begun).toEqual(['x'])
  lanes.leave(reserved.entry)
  expect(begun).toEqual(['x', 'b'])
})

const threadKeyOf = (thread: string) =>
  threadKey({ clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('p'), threadId: ThreadId.parse(thread) })
