import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { BUCKETS, MEASURE_CHANNEL, MEASURES, type GaugeName, type Measured, type MeasureName } from './measure.ts'

const PREFIX = 'branchline_'
/** As many values as CloudWatch takes of one metric in one line. */
const MAX_VALUES = 100

/** What has been measured since the line before, for CloudWatch. */
export interface Since {
  readonly name: MeasureName
  readonly values: readonly number[]
}

/** Keeps what is measured: for Prometheus, and what is new of it for lines of the log. */
export class Metrics implements Disposable {
  readonly #registry = new Registry()
  readonly #take = new Map<string, (measured: Measured) => void>()
  readonly #gauges = new Map<GaugeName, () => number | Promise<number>>()
  readonly #new = new Map<MeasureName, { values: number[]; seen: number }>()

  constructor() {
    for (const [name, { kind, about: help, labels }] of Object.entries(MEASURES)) {
      const settings = { name: `${PREFIX}${name}`, help, labelNames: [...labels], registers: [this.#registry] }
      if (kind === 'counter') {
        const counter = new Counter(settings)
        if (labels.length === 0) counter.inc(0)
        this.#take.set(name, (measured) => counter.inc(measured.labels, measured.value))
      } else if (kind === 'histogram') {
        const histogram = new Histogram({ ...settings, buckets: [...BUCKETS] })
        this.#take.set(name, (measured) => histogram.observe(measured.labels, measured.value))
      }
    }
  }

  start(): void {
    subscribe(MEASURE_CHANNEL, this.#hear)
  }

  [Symbol.dispose](): void {
    unsubscribe(MEASURE_CHANNEL, this.#hear)
  }

  /** Says how a gauge is looked at. */
  gauge(name: GaugeName, look: () => number | Promise<number>): void {
    this.#gauges.set(name, look)
    new Gauge({
      name: `${PREFIX}${name}`,
      help: MEASURES[name].about,
      registers: [this.#registry],
      async collect() {
        this.set(await look())
      },
    })
  }

  /** In the text format of Prometheus, and its content type. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  /** What counters grew by, what histograms took in, and how gauges stand. */
  async since(): Promise<readonly Since[]> {
    const events = [...this.#new].map(([name, { values }]) => ({ name, values }))
    this.#new.clear()
    const gauges = await Promise.all([...this.#gauges].map(async ([name, look]) => ({ name, values: [await look()] })))
    return [...events, ...gauges]
  }

  readonly #hear = (message: unknown): void => {
    const measured = message as Measured // oxlint-disable-line typescript/no-unsafe-type-assertion -- only `measure` publishes there
    this.#take.get(measured.name)?.(measured)
    const fresh = this.#new.get(measured.name) ?? { values: [], seen: 0 }
    this.#new.set(measured.name, fresh)
    const { values } = fresh
    if (MEASURES[measured.name].kind === 'counter') values[0] = (values[0] ?? 0) + measured.value
    else if (values.length < MAX_VALUES) values.push(measured.value)
    else {
      // Each of all that were measured has the same chance to be among those that are told (reservoir sampling).
      const at = Math.floor(Math.random() * (fresh.seen + 1))
      if (at < MAX_VALUES) values[at] = measured.value
    }
    fresh.seen += 1
  }
}
