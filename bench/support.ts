import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Service } from '../test/support/service.ts'

/** What is measured, against what. */
export interface Figure {
  readonly name: string
  readonly unit: string
  /** What ours divided by the baseline must not pass; where more is better, what it must reach. */
  readonly goal?: number
  readonly moreIsBetter?: boolean
}

export interface Samples {
  readonly ours: readonly number[]
  readonly baseline: readonly number[]
}

/** Figures that come out of the same runs. */
export interface Subject<Key extends string = string> {
  readonly figures: Readonly<Record<Key, Figure>>
  measure(): Promise<Readonly<Record<Key, Samples>>>
}

/** One line of the outcome; ours and baseline are medians. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly baseline: number
  readonly ratio: number
  readonly goal: number | null
  readonly met: boolean | null
}

export function rowOf({ name, unit, goal, moreIsBetter = false }: Figure, samples: Samples): Row {
  const [ours, baseline] = [median(samples.ours), median(samples.baseline)]
  const ratio = ours / baseline
  const met = goal === undefined ? null : moreIsBetter ? ratio >= goal : ratio <= goal
  return { name, unit, ours: rounded(ours), baseline: rounded(baseline), ratio: rounded(ratio), goal: goal ?? null, met }
}

const rounded = (value: number): number => Number(value.toPrecision(3))

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  if (low === undefined || high === undefined) throw new Error('nothing was measured')
  return (low + high) / 2
}

export function p95(values: readonly number[]): number {
  const found = values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1]
  if (found === undefined) throw new Error('nothing was measured')
  return found
}

/** The proportional share of memory, in MB: what processes share counts once. */
export async function pss(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/smaps_rollup`, 'utf8')))
  return texts.reduce((sum, text) => sum + Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0), 0) / 1000
}

/**
 * Runs the sides in turn, so that what else the machine does meets all of them; another one begins each round.
 * Round 0 warms up and does not count.
 */
export async function inTurns<Side extends string, Sample>(
  rounds: number,
  sides: Readonly<Record<Side, (round: number) => Promise<Sample>>>,
): Promise<Readonly<Record<Side, readonly Sample[]>>> {
  const names = Object.keys(sides) as Side[]
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Side, Sample[]>
  for (let round = 0; round <= rounds; round++) {
    const first = round % names.length
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const sample = await sides[name](round)
      if (round > 0) samples[name].push(sample)
    }
  }
  return samples
}

/** How long `work` takes, in ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** A person's next message comes when everything has come to rest; every side gets this pause. */
export const rest = (): Promise<void> => delay(500)

/** Users of its own for the agents of each bench, so that two of them, or tests, on one machine do not end each other's. */
export const FIRST_USER_ID = 40_000 + (process.pid % 100) * 200

/** What every service under test is started with. */
export const SERVICE_ENV = { FIRST_USER_ID: String(FIRST_USER_ID), INTERRUPTS_PER_MINUTE: '100000', LOG_LEVEL: 'warn', SPARE_AGENT: 'false' }

/** An error that brings along what the service wrote. */
export function complain(service: Service, why: string): Error {
  return new Error(`${why}\n${service.output()}`)
}
