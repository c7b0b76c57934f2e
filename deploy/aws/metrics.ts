import { Duration } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import type { MeasureName } from '../../src/observe/measure.ts'

/**
 * Where containers put their metrics: in a line of their log each minute that CloudWatch reads (embedded metric format), without
 * dimensions, so that all containers count together; whose it is stands in the line. Counters (`…_total`) hold what came since the line
 * before, so that their sum is what happened. Each installation of an account has a namespace of its own.
 */
export const namespaceOf = (name: string): string => `Branchline/${name}`

type Statistic = 'Sum' | 'Average' | 'Maximum' | 'p50' | 'p90' | 'p99'
interface Told {
  /** What the dashboard calls it. */
  readonly title: string
  readonly statistics: readonly Statistic[]
}

/** What the service measures, by the names of `/metrics`. */
export const METRICS = {
  queue_messages_total: { title: 'Messages from queues', statistics: ['Sum'] },
  queue_message_age_seconds: { title: 'Age of a message when it is taken', statistics: ['p50', 'p90', 'Maximum'] },
  interrupts_total: { title: 'Interrupts', statistics: ['Sum'] },
  thread_switch_seconds: { title: 'Time to switch to another thread', statistics: ['p50', 'p90'] },
  dead_letters_total: { title: 'Dead letters', statistics: ['Sum'] },
  container_threads: { title: 'Threads per container', statistics: ['Average', 'Maximum'] },
  run_seconds: { title: 'Time of a run', statistics: ['p50', 'p90', 'Maximum'] },
  runs_total: { title: 'Runs', statistics: ['Sum'] },
  first_model_request_seconds: { title: 'From message to first model request', statistics: ['p50', 'p90'] },
  cost_usd_total: { title: 'Cost in USD', statistics: ['Sum'] },
  http_request_seconds: { title: 'Answers of the API', statistics: ['p50', 'p90', 'p99'] },
  previews_healthy: { title: 'Previews that answer', statistics: ['Average', 'Maximum'] },
  previews_unhealthy: { title: 'Previews that do not answer', statistics: ['Average', 'Maximum'] },
  preview_start_seconds: { title: 'Start of a preview', statistics: ['p50', 'p90'] },
  preview_change_seconds: { title: 'From a change to the preview', statistics: ['p50', 'p90'] },
  service_cpu_percent: { title: 'CPU of the service', statistics: ['Average', 'Maximum'] },
  service_memory_bytes: { title: 'Memory of the service', statistics: ['Average', 'Maximum'] },
  children_cpu_percent: { title: 'CPU of agents, builds and previews', statistics: ['Average', 'Maximum'] },
  children_memory_bytes: { title: 'Memory of agents, builds and previews', statistics: ['Average', 'Maximum'] },
} as const satisfies Readonly<Record<MeasureName, Told>>

/** Of all containers of the installation of this name. */
export const metricOf = (name: string, metricName: string, statistic: string, period: Duration = Duration.minutes(5)): Metric =>
  new Metric({ namespace: namespaceOf(name), metricName, statistic, period })
