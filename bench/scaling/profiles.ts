import { costsOf, MONTH_HOURS, type Costs, type Usage } from './costs.ts'
import { simulate, type Outcomes } from './fleet.ts'
import type { Inputs } from './inputs.ts'
import { HOUR_S } from './traffic.ts'

export type Profile = 'idle' | 'light' | 'busy' | 'always on'

export interface ProfileCosts {
  readonly costs: Costs
  readonly messages: number
  /** Hours a month in which a container is paid for. */
  readonly hours: number
  readonly tokensUsd: number
}

const USERS = 200
const DAYS = 28

/** What one user of each kind costs a month, on average of many. */
export function costsOfProfiles(inputs: Inputs, seed: number): Readonly<Record<Profile, ProfileCosts>> {
  const nothing: Usage = { users: 1, days: DAYS, messages: 0, launches: 0, billedSeconds: 0, readySeconds: 0, taskHours: 0 }
  const usageAt = (perWorkday: number): Usage => usageOfOne(simulate(inputs, { users: USERS, days: DAYS, seed, perWorkday }))
  const light = usageAt(inputs.use.lightConversationsPerWorkday)
  const hours = DAYS * 24
  const always: Usage = { ...light, launches: 0, billedSeconds: hours * HOUR_S, readySeconds: hours * HOUR_S, taskHours: hours }
  const costed = (usage: Usage): ProfileCosts => {
    const aMonth = (sum: number): number => (sum * MONTH_HOURS) / hours
    const messages = aMonth(usage.messages)
    const tokensUsd = messages * inputs.use.tokensUsdPerRun
    return { costs: costsOf(inputs, usage), messages, hours: aMonth(usage.billedSeconds) / HOUR_S, tokensUsd }
  }
  return { idle: costed(nothing), light: costed(light), busy: costed(usageAt(inputs.use.busyConversationsPerWorkday)), 'always on': costed(always) }
}

const usageOfOne = ({ messages, launches, billedSeconds, readySeconds, taskHours }: Outcomes): Usage => ({
  users: 1,
  days: DAYS,
  messages: messages / USERS,
  launches: launches / USERS,
  billedSeconds: billedSeconds / USERS,
  readySeconds: readySeconds / USERS,
  taskHours: taskHours / USERS,
})
