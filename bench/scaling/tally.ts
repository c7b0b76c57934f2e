import type { Outcome, State } from './container.ts'
import { HOUR_S } from './traffic.ts'

/** What happened, counted as it happens. */
export interface Tally {
  sent(cold: boolean): void
  /** A sender was allowed to wake; `until` is later than `from` where it had to wait. */
  woke(from: number, until: number): void
  /** A task was started that was asked for at `from`. */
  launched(from: number, until: number): void
  /** A model request after so many seconds. */
  asked(seconds: number, cold: boolean): void
  ended(outcome: Outcome): void
  turned(from: State, to: State, since: number, now: number): void
  readonly counted: () => Counted
}

export interface Counted {
  readonly messages: number
  readonly cold: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly launches: number
  readonly firstRequests: { readonly cold: readonly number[]; readonly warm: readonly number[] }
  /** Seconds from asking for a task to its start, of those of the busiest hour for starts. */
  readonly launchDelaysAtPeak: readonly number[]
  readonly longestWakeDelay: number
  /** Most calls that change a service, and most starts, in one period of ten minutes. */
  readonly busiest: { readonly wakes: number; readonly launches: number; readonly runs: number }
  readonly peakTasks: number
  readonly peakRuns: number
  readonly billedSeconds: number
  /** Hours of the clock in which a task ran, counted for each task. */
  readonly taskHours: number
  readonly readySeconds: number
}

const PERIOD_S = 600
/** From the pull to the end. A task lives longer than the minute that is billed at least, since it is idle for one before it ends. */
const BILLED: ReadonlySet<State> = new Set(['pulling', 'starting', 'idle', 'running', 'stopping'])
const READY: ReadonlySet<State> = new Set(['idle', 'running'])

export function makeTally(): Tally {
  const outcomes: Record<Outcome, number> = { done: 0, interrupted: 0, superseded: 0 }
  const firstRequests: { readonly cold: number[]; readonly warm: number[] } = { cold: [], warm: [] }
  const launches: { readonly at: number; readonly delay: number }[] = []
  const periods = { wakes: new Map<number, number>(), launches: new Map<number, number>(), runs: new Map<number, number>() }
  let [messages, cold, longestWakeDelay, billedSeconds, taskHours, readySeconds] = [0, 0, 0, 0, 0, 0]
  let [tasks, runs, peakTasks, peakRuns] = [0, 0, 0, 0]
  const note = (kind: keyof typeof periods, at: number): void => {
    const period = Math.floor(at / PERIOD_S)
    periods[kind].set(period, (periods[kind].get(period) ?? 0) + 1)
  }
  const most = (of: ReadonlyMap<number, number>): number => [...of.values()].reduce((max, count) => Math.max(max, count), 0)
  return {
    sent: (wasCold) => {
      messages += 1
      if (wasCold) cold += 1
    },
    woke: (from, until) => {
      longestWakeDelay = Math.max(longestWakeDelay, until - from)
      note('wakes', from)
    },
    launched: (from, until) => {
      launches.push({ at: from, delay: until - from })
      note('launches', from)
    },
    asked: (seconds, wasCold) => void firstRequests[wasCold ? 'cold' : 'warm'].push(seconds),
    ended: (outcome) => void (outcomes[outcome] += 1),
    turned: (from, to, since, now) => {
      if (to === 'placing') tasks += 1
      if (to === 'stopped') tasks -= 1
      peakTasks = Math.max(peakTasks, tasks)
      runs += (to === 'running' ? 1 : 0) - (from === 'running' ? 1 : 0)
      peakRuns = Math.max(peakRuns, runs)
      if (to === 'running') note('runs', now)
      if (to === 'stopping') note('wakes', now)
      if (BILLED.has(from)) billedSeconds += now - since
      if (READY.has(from)) {
        readySeconds += now - since
        taskHours += Math.floor(now / HOUR_S) - Math.floor(since / HOUR_S)
      }
      if (from === 'starting') taskHours += 1
    },
    counted: () => {
      const hours = Map.groupBy(launches, ({ at }) => Math.floor(at / HOUR_S))
      const peak = [...hours.values()].reduce((busiest, hour) => (hour.length > busiest.length ? hour : busiest), [])
      return {
        messages,
        cold,
        outcomes,
        launches: launches.length,
        firstRequests,
        launchDelaysAtPeak: peak.map(({ delay }) => delay),
        longestWakeDelay,
        busiest: { wakes: most(periods.wakes), launches: most(periods.launches), runs: most(periods.runs) },
        peakTasks,
        peakRuns,
        billedSeconds,
        taskHours,
        readySeconds,
      }
    },
  }
}
