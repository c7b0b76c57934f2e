import { channel } from 'node:diagnostics_channel'

/** Of every histogram, in seconds: from a few milliseconds to an hour. */
export const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600] as const

/** Everything that is measured, by the name under which it is shown: what it means, of which kind it is, by what it is told apart. */
export const MEASURES = {
  queue_messages_total: { kind: 'counter', about: 'Messages taken out of queues and recorded or refused.', labels: ['fate'] },
  queue_message_age_seconds: { kind: 'histogram', about: 'Age of a message when it was received: how long it lay in its queue.', labels: [] },
  interrupts_total: { kind: 'counter', about: 'Runs that a newer message, or a user, has interrupted.', labels: [] },
  thread_switch_seconds: { kind: 'histogram', about: 'From the turn of a run to its work tree being ready.', labels: [] },
  dead_letters_total: { kind: 'counter', about: 'Messages that could not be taken, and commands given up.', labels: ['why'] },
  container_threads: { kind: 'gauge', about: 'Threads that have been worked in since the start.', labels: [] },
  runs_total: { kind: 'counter', about: 'Commands that have ended, by type and outcome.', labels: ['type', 'outcome'] },
  run_seconds: { kind: 'histogram', about: 'How long a command took, over all its attempts.', labels: ['type'] },
  first_model_request_seconds: {
    kind: 'histogram',
    about: 'From the acceptance of a message to the first request to the model.',
    labels: [],
  },
  cost_usd_total: { kind: 'counter', about: 'What the model has cost, in USD.', labels: [] },
  http_request_seconds: { kind: 'histogram', about: 'How long requests took, by route.', labels: ['method', 'route', 'status'] },
  previews_healthy: { kind: 'gauge', about: 'Previews that are ready and whose pages can be shown.', labels: [] },
  previews_unhealthy: { kind: 'gauge', about: 'Previews that have failed, or have errors on their pages.', labels: [] },
  preview_start_seconds: { kind: 'histogram', about: 'From the start of a dev server to its first answer.', labels: [] },
  preview_change_seconds: {
    kind: 'histogram',
    about: 'From a file being written to browsers being told (hot module replacement), where the dev server names the file.',
    labels: [],
  },
  service_cpu_percent: { kind: 'gauge', about: 'Processor time of the service since the look before; 100 is one core.', labels: [] },
  service_memory_bytes: { kind: 'gauge', about: 'Resident memory of the service.', labels: [] },
  children_cpu_percent: { kind: 'gauge', about: 'The same of agents, builds and previews.', labels: [] },
  children_memory_bytes: { kind: 'gauge', about: 'Resident memory of agents, builds and previews; what they share counts for each.', labels: [] },
} as const satisfies Readonly<Record<string, Measure>>

interface Measure {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly about: string
  readonly labels: readonly string[]
}

export type MeasureName = keyof typeof MEASURES
/** The gauges are looked at when somebody asks. */
export type GaugeName = { [Name in MeasureName]: (typeof MEASURES)[Name]['kind'] extends 'gauge' ? Name : never }[MeasureName]
export type EventName = Exclude<MeasureName, GaugeName>
type Labels<Name extends EventName> = Readonly<Record<(typeof MEASURES)[Name]['labels'][number], string>>

export interface Measured {
  readonly name: EventName
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
}

export const MEASURE_CHANNEL = 'branchline:measure'
const measuring = channel(MEASURE_CHANNEL)

/** Says that something was measured, where it happens: what a counter grows by, what a histogram takes in. Nobody need listen. */
export function measure<Name extends EventName>(name: Name, value: number, labels: Labels<Name>): void {
  if (measuring.hasSubscribers) measuring.publish({ name, value, labels } satisfies Measured)
}

/** Seconds since a moment of `performance.now()`. */
export const secondsSince = (began: number): number => (performance.now() - began) / 1000
