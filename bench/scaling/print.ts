import { totalOf, type Costs } from './costs.ts'
import type { Profile } from './profiles.ts'
import type { Quantiles, Report } from './report.ts'

const PROFILES: readonly Profile[] = ['idle', 'light', 'busy', 'always on']
const ITEMS: Readonly<Record<keyof Costs, string>> = {
  compute: 'Fargate',
  address: 'public IPv4',
  workspace: 'EFS and its backup',
  fileTraffic: 'EFS reads and writes',
  journal: 'DynamoDB',
  queues: 'SQS',
  logs: 'logs',
  insights: 'Container Insights',
  alarms: 'alarms',
  secrets: 'secrets',
}
const KEYS = ['compute', 'address', 'workspace', 'fileTraffic', 'journal', 'queues', 'logs', 'insights', 'alarms', 'secrets'] as const satisfies (keyof Costs)[]

/** For people to read. */
export function textOf(report: Report): string {
  const { scale, outcomes, waits, vcpu, profiles, totals, limits } = report
  const { done, interrupted, superseded } = outcomes.outcomes
  return [
    `${scale.users} users, ${scale.days} days, seed ${scale.seed}`,
    '',
    section('A user, USD a month, without tokens', [
      ['', ...PROFILES],
      ...KEYS.map((key) => [ITEMS[key], ...PROFILES.map((profile) => usd(profiles[profile].costs[key]))]),
      ['total', ...PROFILES.map((profile) => usd(totalOf(profiles[profile].costs)))],
      ['messages a month', ...PROFILES.map((profile) => profiles[profile].messages.toFixed(0))],
      ['hours of a container', ...PROFILES.map((profile) => profiles[profile].hours.toFixed(1))],
      ['tokens on top, assumed', ...PROFILES.map((profile) => usd(profiles[profile].tokensUsd))],
    ]),
    section('All users, USD a month, without tokens', [
      ['users', ...totals.map(({ users }) => String(users))],
      ...KEYS.map((key) => [ITEMS[key], ...totals.map(({ costs }) => usd(costs[key]))]),
      ['shared', ...totals.map(() => usd(report.sharedUsdMonth))],
      ['total, with what is shared', ...totals.map(({ usdMonth }) => usd(usdMonth))],
      ['containers at the busiest time', ...totals.map(({ peakTasks }) => String(peakTasks))],
      ['load balancers on top', ...totals.map(({ loadBalancers }) => `${loadBalancers.count}: ${usd(loadBalancers.usdMonth)}`)],
    ]),
    section('Messages', [
      ['sent', String(outcomes.messages)],
      ['done, interrupted, superseded', `${done}, ${interrupted}, ${superseded}`],
      ['sent to a container that did not run', percent(waits.coldShare)],
      ['of these, until the first model request', seconds(waits.cold)],
      ['the others', seconds(waits.warm)],
      ['all', seconds(waits.all)],
    ]),
    section('At the busiest time', [
      ['containers', String(outcomes.peakTasks)],
      ['runs', String(outcomes.peakRuns)],
      ['vCPU; quota of a new account; raised', `${vcpu.atPeak}; ${vcpu.quotaOfNewAccount}; ${vcpu.quotaRaised}`],
      ['waiting to be started, in the busiest hour', seconds(report.launchDelayAtPeak)],
      ['longest wait to wake', `${outcomes.longestWakeDelay.toFixed(1)} s`],
    ]),
    section('Memory of a container, MB', [
      ['without work', String(report.memory.idle)],
      ['with an agent and a preview', String(report.memory.withPreview)],
      ['left then', String(report.memory.left)],
    ]),
    section('What ends where, in the order of being met', [
      ...limits.map(({ name, users, from }) => [name, Number.isFinite(users) ? `${users} users` : 'never', from === 'use' ? 'at this use' : '']),
      ['SQS', 'none', ''],
      ['DynamoDB, one user alone', `${report.messagesPerSecondOfOneUser.toFixed(0)} messages/s`, ''],
    ]),
    section('AUTO_SHUTDOWN_MINUTES', [
      ['minutes', 'cold', 'USD a month', 'containers at peak'],
      ...report.shutdown.map(({ minutes, coldShare, usdMonth, peakTasks }) => [String(minutes), percent(coldShare), usd(usdMonth), String(peakTasks)]),
    ]),
    section(
      'Everybody at once, from zero, until the first model request',
      report.everybodyAtOnce.map(({ users, firstRequest }) => [`${users} users`, seconds(firstRequest)]),
    ),
  ].join('\n')
}

const usd = (value: number): string => value.toFixed(2)
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const seconds = ({ p50, p95, p99 }: Quantiles): string => `p50 ${short(p50)}, p95 ${short(p95)}, p99 ${short(p99)} s`
const short = (value: number): string => value.toFixed(value < 10 ? 2 : 0)

function section(title: string, rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  const line = (row: readonly string[]): string => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')
  return [title, ...rows.map((row) => `  ${line(row)}`.trimEnd()), ''].join('\n')
}
