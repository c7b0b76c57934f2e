import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeBucket } from './bucket.ts'
import type { State } from './container.ts'
import { costsOf, sharedOf, totalOf, type Usage } from './costs.ts'
import { simulate, simulatePlans, type Outcomes } from './fleet.ts'
import { readInputs, UnknownFigure, type Inputs } from './inputs.ts'
import { limitsOf } from './limits.ts'
import { randomOf } from './random.ts'
import { quantiles } from './report.ts'
import { planUsers, type Conversation, type Planned } from './traffic.ts'

const inputs = readInputs()
const SCALE = { users: 300, days: 7, seed: 7 }
const BUSY = { ...SCALE, users: 40, perWorkday: 6 }
const withFigures = (figures: Readonly<Record<string, number>>): Inputs => readInputs(new Map(Object.entries(figures)))
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** Whole seconds and no spread: what happens can be worked out by hand. */
const EXACT = withFigures({
  'launch.spread': 0,
  'launch.schedulerMs': 3000,
  'launch.networkMs': 10_000,
  'launch.pullMbPerSecond': 10,
  'image.compressedMb': 200,
  'container.startToHealthyMs': 1000,
  'container.takeOverMs': 1000,
  'container.coldAgentMs': 2000,
  'container.warmAgentMs': 1000,
  'container.receiveMs': 0,
  'container.interruptMs': 1000,
  'container.minRunMs': 2000,
  'container.stopMs': 5000,
  'container.autoShutdownMinutes': 20,
})
const START_S = 3 + 10 + 20 + 2
const patient = (runS: number, gapS = 0): Planned => ({ runS, gapS, impatient: false })
const impatient = (runS: number, gapS: number): Planned => ({ runS, gapS, impatient: true })
const oneUser = (...messages: Planned[]): readonly (readonly Conversation[])[] => [[{ at: 100, messages }]]

const accounted = ({ outcomes: { done, interrupted, superseded } }: Outcomes): number => done + interrupted + superseded

test('every message ends as done, interrupted or superseded, and each that was begun asked the model once', () => {
  const run = simulate(inputs, BUSY)
  expect(run.messages).toBeGreaterThan(2000)
  expect(accounted(run)).toBe(run.messages)
  expect(run.firstRequests.cold.length + run.firstRequests.warm.length).toBe(run.outcomes.done + run.outcomes.interrupted)
  expect(Math.min(run.outcomes.interrupted, run.outcomes.superseded)).toBeGreaterThan(0)
  const planned = planUsers(inputs, BUSY, BUSY.perWorkday).flat()
  expect(run.messages).toBe(sumOf(planned.map(({ messages }) => messages.length)))
})

test('every second of every container is spent in one state, and those after the start of a pull are paid for', () => {
  for (const vcpu of [Infinity, 5]) {
    const run = simulate(inputs, { ...BUSY, vcpu })
    expect(sumOf(Object.values(run.seconds))).toBeCloseTo(BUSY.users * run.endedAt, 3)
    const paid: readonly State[] = ['pulling', 'starting', 'idle', 'running', 'stopping']
    expect(run.billedSeconds).toBeCloseTo(sumOf(paid.map((state) => run.seconds[state])), 3)
    expect(run.readySeconds).toBeCloseTo(run.seconds.idle + run.seconds.running, 3)
  }
})

test('two messages one after the other take the time that they take by hand', () => {
  const run = simulatePlans(EXACT, oneUser(patient(60, 30), patient(10)))
  expect(run.firstRequests).toEqual({ cold: [START_S + 2], warm: [1] })
  expect(run.outcomes).toEqual({ done: 2, interrupted: 0, superseded: 0 })
  const running = 2 + 60 + 1 + 10
  const idle = 30 + 20 * 60
  expect(run.seconds).toEqual({ stopped: 100, queued: 0, placing: 13, pulling: 20, starting: 2, idle, running, stopping: 5 })
  expect(run.billedSeconds).toBe(20 + 2 + idle + running + 5)
  expect(run.endedAt).toBe(100 + START_S + running + idle + 5)
})

test('a newer message interrupts the running one, whose saving takes its time', () => {
  const run = simulatePlans(EXACT, oneUser(impatient(600, START_S + 40), patient(10)))
  expect(run.outcomes).toEqual({ done: 1, interrupted: 1, superseded: 0 })
  expect(run.seconds.running).toBe(40 + 1 + 1 + 10)
  expect(run.firstRequests.warm).toEqual([1 + 1])
})

test('a run has its minimum before it is interrupted', () => {
  const run = simulatePlans(EXACT, oneUser(impatient(600, START_S + 0.5), patient(10)))
  expect(run.seconds.running).toBe(2 + 1 + 1 + 10)
})

test('a message that is overtaken while its container starts is superseded', () => {
  const run = simulatePlans(EXACT, oneUser(impatient(600, 5), patient(10)))
  expect(run.outcomes).toEqual({ done: 1, interrupted: 0, superseded: 1 })
  expect(run.firstRequests.cold).toEqual([START_S - 5 + 2])
})

test('a message that comes while a container stops has it started again', () => {
  const run = simulatePlans(EXACT, oneUser(patient(60, 20 * 60 + 2), patient(10)))
  expect(run.launches).toBe(2)
  expect(run.firstRequests.cold).toEqual([START_S + 2, 3 + START_S + 2])
})

test('a message that was sent at the last moment before a stop is not lost', () => {
  const late = { ...EXACT, container: { ...EXACT.container, receiveMs: 1000 } }
  const run = simulatePlans(late, oneUser(patient(60, 20 * 60 - 0.5), patient(10)))
  expect(run.outcomes.done).toBe(2)
  expect(run.launches).toBe(2)
})

test('where one container may run at a time, users wait as the formula for such a queue says', () => {
  // Pollaczek and Khinchine: the mean wait is rate x E[S^2] / (2 (1 - rate x E[S])).
  const users = 10_000
  const random = randomOf(3, 0)
  const [run, share] = [300, 0.6]
  const fixed = START_S + 2 + 60 + 5
  const quick = { ...EXACT, container: { ...EXACT.container, autoShutdownMinutes: 1 } }
  const rate = share / (fixed + run)
  let at = 0
  const plans = Array.from({ length: users }, (): readonly Conversation[] => {
    at += random.exponential(1 / rate)
    return [{ at, messages: [patient(random.exponential(run))] }]
  })
  const { seconds, peakTasks } = simulatePlans(quick, plans, { vcpu: 1 })
  const squared = (fixed + run) ** 2 + run ** 2
  const expected = (rate * squared) / (2 * (1 - share))
  expect(peakTasks).toBe(1)
  expect(seconds.queued / users / expected).toBeGreaterThan(0.9)
  expect(seconds.queued / users / expected).toBeLessThan(1.1)
})

test('a bucket grants its burst at once and its rate from then on, and is full again after a pause', () => {
  const bucket = makeBucket(100, 20)
  const granted = Array.from({ length: 150 }, () => bucket.take(10))
  expect(granted[99]).toBeCloseTo(10, 6)
  expect(granted[100]).toBeCloseTo(10.05, 6)
  expect(granted.at(-1)).toBeCloseTo(12.5, 6)
  expect(Array.from({ length: 100 }, () => bucket.take(1000)).at(-1)).toBeCloseTo(1000, 6)
})

test('a thousand who come at once wait for the calls that wake them', () => {
  const plans = Array.from({ length: 1000 }, () => [{ at: 0, messages: [patient(60)] }])
  const { firstRequests, longestWakeDelay } = simulatePlans(EXACT, plans)
  expect(longestWakeDelay).toBeCloseTo((1000 - 50) / 5, 6)
  expect(Math.max(...firstRequests.cold)).toBeCloseTo(190 + START_S + 2, 6)
  const faster = { ...EXACT, launch: { ...EXACT.launch, modifyPerSecond: 1e6, modifyBurst: 1e6 } }
  expect(Math.max(...simulatePlans(faster, plans).firstRequests.cold)).toBeCloseTo((1000 - 100) / 20 + START_S + 2, 6)
})

test('a message within a minute of the last call to wake makes none, and one that waits longer makes one again and again', () => {
  const callsFor = (last: Planned, figures: Partial<Inputs['launch']> = {}): number =>
    simulatePlans({ ...EXACT, launch: { ...EXACT.launch, ...figures } }, oneUser(impatient(600, 30), impatient(600, 40), last)).busiest.wakes
  expect(callsFor(patient(10))).toBe(2)
  expect(callsFor(patient(130))).toBe(2)
  expect(callsFor(patient(130), { wakeAgainS: 60 })).toBe(4)
  expect(callsFor(patient(130), { wakeWhileAwaited: 0 })).toBe(2)
  expect(callsFor(patient(130), { modifyCallsPerMessage: 0 })).toBe(1)
})

test('what containers measure is paid for once, however many users there are', () => {
  const dearer = withFigures({ 'perInstallation.customMetrics': 35 })
  expect(sharedOf(dearer) - sharedOf(inputs)).toBeCloseTo(10 * inputs.prices.customMetricMonth, 9)
  const usage: Usage = { ...simulate(inputs, SCALE), ...SCALE }
  expect(costsOf(dearer, usage)).toEqual(costsOf(inputs, usage))
})

test('a longer time to the idle end costs more and meets fewer starts', () => {
  const [short, long] = [5, 60].map((minutes) => simulate(withFigures({ 'container.autoShutdownMinutes': minutes }), SCALE))
  expect(long?.billedSeconds).toBeGreaterThan((short?.billedSeconds ?? Infinity) * 2)
  expect(long?.cold).toBeLessThan(short?.cold ?? 0)
  expect(long?.messages).toBe(short?.messages)
})

test('twice the image takes longer to begin, and twice the use costs more', () => {
  const p50 = (given: Inputs): number => quantiles(simulate(given, SCALE).firstRequests.cold).p50
  expect(p50(withFigures({ 'image.compressedMb': 580 }))).toBeGreaterThan(p50(inputs) + 15)
  const [half, whole] = [0.15, 0.3].map((share) => simulate(withFigures({ 'use.conversationsPerWorkday': share }), SCALE))
  expect(whole?.messages).toBeGreaterThan((half?.messages ?? Infinity) * 1.6)
  expect(whole?.billedSeconds).toBeGreaterThan(half?.billedSeconds ?? Infinity)
})

test('costs follow their prices and what was used, and nothing else', () => {
  const usage: Usage = { ...simulate(inputs, SCALE), ...SCALE }
  const [now, dearer] = [costsOf(inputs, usage), costsOf(withFigures({ 'prices.vcpuHour': 0.06476, 'prices.gbHour': 0.00712 }), usage)]
  expect(dearer.compute).toBeCloseTo(now.compute * 2, 9)
  expect(totalOf(dearer) - totalOf(now)).toBeCloseTo(now.compute, 9)
  const month: Usage = { users: 1, days: 730 / 24, messages: 0, launches: 0, billedSeconds: 730 * 3600, readySeconds: 730 * 3600, taskHours: 730 }
  expect(costsOf(inputs, month).compute).toBeCloseTo(28.83, 1) // facts: 1 vCPU and 2 GB on ARM for a month
  expect(costsOf(inputs, { ...usage, messages: usage.messages * 2 }).queues).toBeGreaterThan(now.queues)
})

test('a quota of processors is kept, and waiting for it shows', () => {
  const free = simulate(inputs, BUSY)
  const tight = simulate(inputs, { ...BUSY, vcpu: 5 })
  expect(free.peakTasks).toBeGreaterThan(5)
  expect(tight.peakTasks).toBe(5)
  expect(quantiles(tight.firstRequests.cold).p95).toBeGreaterThan(quantiles(free.firstRequests.cold).p95 * 2)
})

test('limits come in the order in which they are met, and move with what they depend on', () => {
  const run = simulate(inputs, SCALE)
  const limits = limitsOf(inputs, run, SCALE)
  expect(limits.map(({ users }) => users)).toEqual(limits.map(({ users }) => users).toSorted((a, b) => a - b))
  const of = (name: string, given: Inputs): number | undefined => limitsOf(given, run, SCALE).find((limit) => limit.name === name)?.users
  expect(of('certificates of one load balancer', inputs)).toBe(25)
  expect(of('target groups of one load balancer (fixed)', inputs)).toBe(50)
  expect(of('target groups of one load balancer (fixed)', withFigures({ 'perUser.targetGroups': 0 }))).toBe(Infinity)
  const calls = 'calls that change ECS services'
  expect(of(calls, withFigures({ 'launch.modifyPerSecond': 10 }))).toBeGreaterThan((of(calls, inputs) ?? Infinity) * 1.99)
})

test('the same seed gives the same, another one does not, and a user does the same in any company', () => {
  expect(simulate(inputs, SCALE)).toEqual(simulate(inputs, SCALE))
  expect(simulate(inputs, { ...SCALE, seed: 8 })).not.toEqual(simulate(inputs, SCALE))
  expect(planUsers(inputs, SCALE).slice(0, 10)).toEqual(planUsers(inputs, { ...SCALE, users: 10 }))
})

test('what is drawn has the mean and the median that it should have', () => {
  const random = randomOf(1, 1)
  const drawn = (draw: () => number): readonly number[] => Array.from({ length: 40_000 }, draw)
  const mean = (values: readonly number[]): number => sumOf(values) / values.length
  expect(mean(drawn(() => random.uniform()))).toBeCloseTo(0.5, 1)
  expect(mean(drawn(() => random.exponential(10))) / 10).toBeCloseTo(1, 1)
  expect(mean(drawn(() => random.poisson(3))) / 3).toBeCloseTo(1, 1)
  expect(mean(drawn(() => random.geometric(5))) / 5).toBeCloseTo(1, 1)
  expect(quantiles(drawn(() => random.lognormal(75, 1))).p50 / 75).toBeCloseTo(1, 1)
})

test('a figure outside its own range, a missing and a misspelt one are refused', () => {
  const text = readFileSync(new URL('inputs.json', import.meta.url), 'utf8')
  expect(readInputs(new Map(), text)).toEqual(inputs)
  expect(() => readInputs(new Map(), text.replace('"value": 271', '"value": 27100'))).toThrow('outside its range')
  expect(() => readInputs(new Map(), text.replace('"compressedMb"', '"compresedMb"'))).toThrow('compressedMb')
  expect(() => withFigures({ 'use.speling': 1 })).toThrow(UnknownFigure)
  expect(() => withFigures({ 'used.runMedianS': 1 })).toThrow(UnknownFigure)
})
