import { costsOf, loadBalancersOf, sharedOf, totalOf, type Costs } from './costs.ts'
import { simulate, simulatePlans, type Outcomes } from './fleet.ts'
import type { Inputs } from './inputs.ts'
import { limitsOf, messagesPerSecondOfOneUser, type Limit } from './limits.ts'
import { costsOfProfiles, type Profile, type ProfileCosts } from './profiles.ts'
import type { Scale } from './traffic.ts'

/** Seconds. */
export interface Quantiles {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export interface Total {
  readonly users: number
  readonly costs: Costs
  /** USD a month of all users, with what they share, without load balancers. */
  readonly usdMonth: number
  readonly peakTasks: number
  readonly loadBalancers: { readonly count: number; readonly usdMonth: number }
}

export interface Waits {
  readonly coldShare: number
  readonly cold: Quantiles
  readonly warm: Quantiles
  readonly all: Quantiles
}

export interface Report {
  readonly scale: Scale
  readonly outcomes: Pick<Outcomes, 'messages' | 'outcomes' | 'launches' | 'peakTasks' | 'peakRuns' | 'longestWakeDelay' | 'seconds'>
  readonly waits: Waits
  readonly launchDelayAtPeak: Quantiles
  readonly vcpu: { readonly atPeak: number; readonly quotaOfNewAccount: number; readonly quotaRaised: number }
  /** MB of a container that are left for builds, and for what agents start. */
  readonly memory: { readonly idle: number; readonly withPreview: number; readonly left: number }
  readonly profiles: Readonly<Record<Profile, ProfileCosts>>
  /** What all users share, USD a month. */
  readonly sharedUsdMonth: number
  readonly totals: readonly Total[]
  readonly limits: readonly Limit[]
  readonly messagesPerSecondOfOneUser: number
  readonly shutdown: readonly { readonly minutes: number; readonly coldShare: number; readonly usdMonth: number; readonly peakTasks: number }[]
  /** Everybody sends one message in the same second, and nobody's container runs. */
  readonly everybodyAtOnce: readonly { readonly users: number; readonly firstRequest: Quantiles }[]
}

const SHUTDOWNS = [5, 20, 60] as const
const SIZES = [100, 1000, 10_000] as const

export function reportOf(inputs: Inputs, scale: Scale): Report {
  const run = simulate(inputs, scale)
  const { messages, outcomes, launches, peakTasks, peakRuns, longestWakeDelay, seconds } = run
  return {
    scale,
    outcomes: { messages, outcomes, launches, peakTasks, peakRuns, longestWakeDelay, seconds },
    waits: waitsOf(run),
    launchDelayAtPeak: quantiles(run.launchDelaysAtPeak),
    vcpu: { atPeak: peakTasks * inputs.container.vcpu, quotaOfNewAccount: inputs.quotas.vcpuDefault, quotaRaised: inputs.quotas.vcpuRaised },
    memory: memoryOf(inputs),
    profiles: costsOfProfiles(inputs, scale.seed),
    sharedUsdMonth: sharedOf(inputs),
    totals: SIZES.map((users) => totalFor(inputs, { ...scale, users }, users === scale.users ? run : undefined)),
    limits: limitsOf(inputs, run, scale),
    messagesPerSecondOfOneUser: messagesPerSecondOfOneUser(inputs),
    shutdown: SHUTDOWNS.map((minutes) => {
      const changed: Inputs = { ...inputs, container: { ...inputs.container, autoShutdownMinutes: minutes } }
      const found = minutes === inputs.container.autoShutdownMinutes ? run : simulate(changed, scale)
      const { usdMonth } = totalFor(changed, scale, found)
      return { minutes, coldShare: found.cold / found.messages, usdMonth, peakTasks: found.peakTasks }
    }),
    everybodyAtOnce: SIZES.map((users) => ({ users, firstRequest: crowd(inputs, users, scale.seed) })),
  }
}

function totalFor(inputs: Inputs, scale: Scale, run: Outcomes = simulate(inputs, scale)): Total {
  const costs = costsOf(inputs, { ...run, ...scale })
  return {
    users: scale.users,
    costs,
    usdMonth: totalOf(costs) + sharedOf(inputs),
    peakTasks: run.peakTasks,
    loadBalancers: loadBalancersOf(inputs, scale.users),
  }
}

const MB_PER_GB = 1024

function memoryOf({ container: { memoryGb, idleMemoryMb, withPreviewMemoryMb } }: Inputs): Report['memory'] {
  return { idle: idleMemoryMb, withPreview: withPreviewMemoryMb, left: memoryGb * MB_PER_GB - withPreviewMemoryMb }
}

function crowd(inputs: Inputs, users: number, seed: number): Quantiles {
  const message = { runS: inputs.use.runMedianS, impatient: false, gapS: 0 }
  const plans = Array.from({ length: users }, () => [{ at: 0, messages: [message] }])
  return quantiles(simulatePlans(inputs, plans, { seed }).firstRequests.cold)
}

function waitsOf({ cold, messages, firstRequests }: Outcomes): Waits {
  const all = [...firstRequests.cold, ...firstRequests.warm]
  return { coldShare: cold / messages, cold: quantiles(firstRequests.cold), warm: quantiles(firstRequests.warm), all: quantiles(all) }
}

/** 0 where nothing was measured. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}
