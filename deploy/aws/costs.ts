import type { Installation, InstalledUser } from './installation.ts'

/** A line of what an installation costs while nobody works. */
export interface Cost {
  readonly what: string
  readonly usdPerMonth: number
}

const HOURS = 730
/** Prices of us-east-1 in 2026, in USD. */
const PRICE = {
  balancerHour: 0.0225,
  addressHour: 0.005,
  secretMonth: 0.4,
  alarmMetricMonth: 0.1,
  vcpuHour: { ARM64: 0.03238, X86_64: 0.04048 },
  gbHour: { ARM64: 0.00356, X86_64: 0.004445 },
} as const
const BALANCER_ADDRESSES = 2
/** Of failing runs, errors, what is not recorded, what ECS refuses, cost and the operations of the file system; two for its throughput. */
const INSTALLATION_ALARM_METRICS = 8
/** Age, dead letters, and two for whether it runs though messages wait. */
const USER_ALARM_METRICS = 4

/** An hour in which the container of a user runs. */
export const hourOf = ({ architecture }: Installation, { cpu, memoryMb }: InstalledUser): number =>
  (cpu / 1024) * PRICE.vcpuHour[architecture] + (memoryMb / 1024) * PRICE.gbHour[architecture] + PRICE.addressHour

/** What there is to pay in a month in which nobody works. Files, logs, requests and the hours of containers come on top, by use. */
export function idleCosts(installation: Installation): readonly Cost[] {
  const { users, domain, model } = installation
  const open = domain !== undefined
  const secrets = (model.kind === 'anthropic' ? 1 : 0) + (open ? users.length : 0)
  const nets = users.filter(({ safetyNet, alwaysOn }) => safetyNet && !alwaysOn).length
  const always = users.filter(({ alwaysOn }) => alwaysOn)
  const lines = [
    { what: 'load balancer with its two addresses', usdPerMonth: open ? (PRICE.balancerHour + BALANCER_ADDRESSES * PRICE.addressHour) * HOURS : 0 },
    { what: 'secrets', usdPerMonth: secrets * PRICE.secretMonth },
    { what: 'alarms', usdPerMonth: (INSTALLATION_ALARM_METRICS + users.length * USER_ALARM_METRICS + nets) * PRICE.alarmMetricMonth },
    { what: `containers that are always on (${always.length})`, usdPerMonth: always.reduce((sum, user) => sum + hourOf(installation, user), 0) * HOURS },
  ]
  return lines.filter(({ usdPerMonth }) => usdPerMonth > 0)
}
