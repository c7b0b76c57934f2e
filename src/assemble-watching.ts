import type { RunEvent } from './command/event.ts'
import type { ThreadRef } from './command/ids.ts'
import type { Config } from './config.ts'
import type { Tools } from './engine/tools.ts'
import { writeEmbeddedMetrics } from './observe/embedded-metrics.ts'
import { Metrics } from './observe/metrics.ts'
import type { ProcessEntry } from './process/table.ts'
import { usageOf } from './process/usage.ts'
import { version } from './version.ts'

/** What is told of the events of threads, for traces; nothing is loaded where nobody takes them. */
export async function assembleTraces(config: Config): Promise<AsyncDisposable & { readonly hear: (ref: ThreadRef, event: RunEvent) => void }> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT
  if (endpoint === undefined) return { hear: () => {}, [Symbol.asyncDispose]: async () => {} }
  const { Traces } = await import('./observe/traces.ts')
  const traces = new Traces({ endpoint, headers: config.OTEL_EXPORTER_OTLP_HEADERS, version })
  return { hear: traces.hear.bind(traces), [Symbol.asyncDispose]: () => traces[Symbol.asyncDispose]() }
}

/** Processor time of this process since the look before; 100 is one core. */
function ownCpuPercent(): () => number {
  let [before, at] = [process.cpuUsage(), performance.now()]
  return () => {
    const { user, system } = process.cpuUsage(before)
    const percent = (user + system) / 10 / Math.max(1, performance.now() - at) // microseconds by milliseconds
    ;[before, at] = [process.cpuUsage(), performance.now()]
    return percent
  }
}

/** Keeps what is measured, and writes it into the log where that is wanted. */
export function assembleMetrics(config: Config, tools: Pick<Tools, 'prepared' | 'previews' | 'identities'>): AsyncDisposable & { readonly metrics: Metrics } {
  const { prepared, previews, identities } = tools
  const metrics = new Metrics()
  const states = (): readonly string[] => [...prepared.values()].map(({ home }) => previews.standing(home.slot.slot).state)
  metrics.gauge('container_threads', () => prepared.size)
  metrics.gauge('previews_healthy', () => states().filter((state) => state === 'ready').length)
  metrics.gauge('previews_unhealthy', () => states().filter((state) => state === 'failed' || state === 'broken').length)
  const isChild = ({ uid, slot }: ProcessEntry): boolean => (identities.level === 'separate' ? identities.owns(uid) : slot !== undefined)
  // Each look begins the time that the next one is about, so what is looked at for itself has one of its own.
  const [working, holding] = [usageOf(isChild), usageOf(isChild)]
  metrics.gauge('service_cpu_percent', ownCpuPercent())
  metrics.gauge('service_memory_bytes', () => process.memoryUsage.rss())
  metrics.gauge('children_cpu_percent', async () => (await working()).cpuPercent)
  metrics.gauge('children_memory_bytes', async () => (await holding()).memoryBytes)
  metrics.start()
  const who = { client: config.CLIENT_ID, project: config.PROJECT_ID, user: config.USER_ID }
  const lines = config.METRICS_EMF
    ? writeEmbeddedMetrics(metrics, {
        namespace: config.METRICS_NAMESPACE,
        everyMs: config.METRICS_SECONDS * 1000,
        who,
        write: (line) => void process.stdout.write(line),
      })
    : undefined
  return {
    metrics,
    [Symbol.asyncDispose]: async () => {
      await lines?.[Symbol.asyncDispose]()
      metrics[Symbol.dispose]()
    },
  }
}
