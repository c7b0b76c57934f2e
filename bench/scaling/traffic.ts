import type { Inputs } from './inputs.ts'
import { randomOf, type Random } from './random.ts'

/** One message as its sender will send it. */
export interface Planned {
  /** How long its run takes where nothing interrupts it. */
  readonly runS: number
  /** The sender does not wait for its result before sending the next one. */
  readonly impatient: boolean
  /** From its result, or from its sending where impatient, to the next message. */
  readonly gapS: number
}

/** Messages of one thread; the first is sent at `at`, seconds since Monday 00:00. */
export interface Conversation {
  readonly at: number
  readonly messages: readonly Planned[]
}

export const HOUR_S = 3600
export const DAY_S = 24 * HOUR_S

/** What each user is going to send. A user's plan is the same however many others there are. */
export function planUsers(inputs: Inputs, { users, days, seed }: Scale, perWorkday?: number): readonly (readonly Conversation[])[] {
  return Array.from({ length: users }, (_, user) => {
    const random = randomOf(seed, user)
    const drawn = random.lognormal(inputs.use.conversationsPerWorkday, inputs.use.userSpread)
    return conversationsOf(inputs, random, perWorkday ?? drawn, days)
  })
}

export interface Scale {
  readonly users: number
  readonly days: number
  readonly seed: number
}

function conversationsOf(inputs: Inputs, random: Random, perWorkday: number, days: number): readonly Conversation[] {
  const total = inputs.hourWeights.reduce((sum, weight) => sum + weight, 0)
  const found: Conversation[] = []
  for (let day = 0; day < days; day++) {
    const rate = perWorkday * (day % 7 < 5 ? 1 : inputs.use.weekendShare)
    inputs.hourWeights.forEach((weight, hour) => {
      for (let left = random.poisson((rate * weight) / total); left > 0; left--) {
        const at = day * DAY_S + (hour + random.uniform()) * HOUR_S
        const messages = Array.from({ length: random.geometric(inputs.use.messagesPerConversation) }, () => planned(inputs, random))
        found.push({ at, messages })
      }
    })
  }
  return found
}

function planned({ use }: Inputs, random: Random): Planned {
  const impatient = random.uniform() < use.impatientShare
  // Both are drawn for each message, so that another share of impatient ones changes nothing else.
  const [soon, later] = [random.exponential(use.impatientGapS), random.lognormal(use.thinkMedianS, use.thinkSpread)]
  const runS = Math.min(random.lognormal(use.runMedianS, use.runSpread), use.runLimitS)
  return { runS, impatient, gapS: impatient ? soon : later }
}
