import type { Inputs } from './inputs.ts'
import { HOUR_S } from './traffic.ts'

/** What was used; of one user or of many. */
export interface Usage {
  readonly users: number
  readonly days: number
  readonly messages: number
  readonly launches: number
  readonly billedSeconds: number
  readonly readySeconds: number
  readonly taskHours: number
}

/** USD a month. Tokens of the model are none of them. */
export interface Costs {
  readonly compute: number
  readonly address: number
  readonly workspace: number
  readonly fileTraffic: number
  readonly journal: number
  readonly queues: number
  readonly logs: number
  /** Container Insights; what the service measures has no dimensions, and is paid for once an installation. */
  readonly insights: number
  readonly alarms: number
  readonly secrets: number
}

export const MONTH_HOURS = 730
const MILLION = 1e6
const GB = 1e9

export function costsOf({ container, take, perUser, prices }: Inputs, usage: Usage): Costs {
  const toMonth = MONTH_HOURS / (usage.days * 24)
  const hours = (usage.billedSeconds / HOUR_S) * toMonth
  const minutes = (usage.readySeconds / 60) * toMonth
  const [messages, launches] = [usage.messages * toMonth, usage.launches * toMonth]
  const taskMonths = (usage.taskHours * toMonth) / MONTH_HOURS
  const writeUnits = messages * take.writeUnitsPerMessage + minutes * take.writeUnitsPerMinute
  const requests = messages * take.queueRequestsPerMessage + minutes * take.queueRequestsPerMinute
  const logBytes = messages * take.logBytesPerMessage + launches * take.logBytesPerStart + minutes * take.metricBytesPerMinute
  const readMb = messages * take.efsReadMbPerRun + launches * take.efsReadMbPerStart
  const gbMonth = take.efsInfrequentShare * prices.efsInfrequentGbMonth + (1 - take.efsInfrequentShare) * prices.efsGbMonth + prices.backupGbMonth
  return {
    compute: hours * (container.vcpu * prices.vcpuHour + container.memoryGb * prices.gbHour),
    address: hours * prices.addressHour,
    workspace: usage.users * take.efsGb * gbMonth,
    fileTraffic: (readMb * prices.efsReadGb + messages * take.efsWriteMbPerRun * prices.efsWriteGb) / 1000,
    journal:
      (writeUnits * prices.writeUnitsMillion + launches * take.readUnitsPerStart * prices.readUnitsMillion) / MILLION +
      usage.users * take.journalGb * prices.tableGbMonth,
    queues: (requests * prices.fifoMillion) / MILLION,
    logs: (logBytes * prices.logGb) / GB,
    insights: taskMonths * perUser.insightMetrics * prices.insightMetricMonth,
    alarms: usage.users * perUser.alarmMetrics * prices.alarmMonth,
    secrets: usage.users * perUser.secrets * prices.secretMonth,
  }
}

export const totalOf = (costs: Costs): number => Object.values(costs).reduce((sum: number, cost: number) => sum + cost, 0)

/** What an installation pays however many its users are, USD a month. Its metrics are counted as if some container always ran. */
export const sharedOf = ({ perInstallation, prices }: Inputs): number => prices.sharedMonth + perInstallation.customMetrics * prices.customMetricMonth

/** What an installation pays besides, where its users have previews or the HTTP API. */
export function loadBalancersOf({ perUser, quotas, prices }: Inputs, users: number): { readonly count: number; readonly usdMonth: number } {
  const count = perUser.targetGroups === 0 ? 0 : Math.ceil((users * perUser.targetGroups) / quotas.targetGroups)
  return { count, usdMonth: count * prices.loadBalancerMonth }
}
