import { setTimeout as delay } from 'node:timers/promises'
import { MEASURES, type MeasureName } from './measure.ts'
import type { Metrics } from './metrics.ts'

/** CloudWatch's names of units. */
function unitOf(name: MeasureName): string {
  if (name.endsWith('_seconds')) return 'Seconds'
  if (name.endsWith('_bytes')) return 'Bytes'
  if (name.endsWith('_percent')) return 'Percent'
  return MEASURES[name].kind === 'counter' && name !== 'cost_usd_total' ? 'Count' : 'None'
}

export interface EmbeddedMetrics {
  readonly namespace: string
  readonly everyMs: number
  /** Whose container it is. */
  readonly who: Readonly<Record<string, string | undefined>>
  readonly write: (line: string) => void
}

/**
 * Writes what was measured as one line a minute, in CloudWatch's embedded metric format, which a log group makes metrics of. They have no
 * dimensions, because CloudWatch takes money for each combination: all containers count together, and whose it was stands beside it.
 */
export function writeEmbeddedMetrics(metrics: Metrics, { namespace, everyMs, who, write }: EmbeddedMetrics): AsyncDisposable {
  const stop = new AbortController()
  const line = async (): Promise<void> => {
    const measured = (await metrics.since()).filter(({ values }) => values.length > 0)
    const directive = { Namespace: namespace, Dimensions: [[]], Metrics: measured.map(({ name }) => ({ Name: name, Unit: unitOf(name) })) }
    const values = Object.fromEntries(measured.map(({ name, values: [first, ...rest] }) => [name, rest.length === 0 ? first : [first, ...rest]]))
    write(`${JSON.stringify({ _aws: { Timestamp: Date.now(), CloudWatchMetrics: [directive] }, event: 'metrics', ...who, ...values })}\n`)
  }
  const working = (async () => {
    while (!stop.signal.aborted) {
      await delay(everyMs, undefined, { signal: stop.signal, ref: false }).catch(() => {}) // stopped
      await line().catch(() => {}) // what a look could not find out stands in the next line
    }
  })()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await working
    },
  }
}
