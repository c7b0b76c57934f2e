import { readFileSync } from 'node:fs'
import * as z from 'zod'

/** A figure with where it comes from; what is used is its value. */
const Given = z
  .strictObject({
    value: z.number().nonnegative(),
    unit: z.string().min(1),
    kind: z.enum(['measured', 'published', 'setting', 'estimate']),
    range: z.tuple([z.number(), z.number()]),
    source: z.string().min(1),
  })
  .refine(({ value, range: [low, high] }) => low <= value && value <= high, 'the value lies outside its range')
  .transform(({ value }) => value)

const File = z.strictObject({
  /** How much of a day's use begins in each hour; only their ratios count. */
  hourWeights: z.array(z.number().nonnegative()).length(24),
  image: z.strictObject({ compressedMb: Given }),
  container: z.strictObject({
    vcpu: Given,
    memoryGb: Given,
    autoShutdownMinutes: Given,
    startToHealthyMs: Given,
    takeOverMs: Given,
    coldAgentMs: Given,
    warmAgentMs: Given,
    receiveMs: Given,
    interruptMs: Given,
    minRunMs: Given,
    stopMs: Given,
    idleMemoryMb: Given,
    withPreviewMemoryMb: Given,
  }),
  launch: z.strictObject({
    schedulerMs: Given,
    networkMs: Given,
    pullMbPerSecond: Given,
    spread: Given,
    burst: Given,
    perSecond: Given,
    modifyBurst: Given,
    modifyPerSecond: Given,
    modifyCallsPerMessage: Given,
    wakeEveryS: Given,
    wakeAgainS: Given,
    wakeWhileAwaited: Given,
  }),
  use: z.strictObject({
    conversationsPerWorkday: Given,
    userSpread: Given,
    weekendShare: Given,
    messagesPerConversation: Given,
    impatientShare: Given,
    impatientGapS: Given,
    thinkMedianS: Given,
    thinkSpread: Given,
    runMedianS: Given,
    runSpread: Given,
    runLimitS: Given,
    lightConversationsPerWorkday: Given,
    busyConversationsPerWorkday: Given,
    tokensUsdPerRun: Given,
  }),
  take: z.strictObject({
    writeUnitsPerMessage: Given,
    writeUnitsPerMinute: Given,
    readUnitsPerStart: Given,
    queueRequestsPerMessage: Given,
    queueRequestsPerMinute: Given,
    logBytesPerMessage: Given,
    logBytesPerStart: Given,
    metricBytesPerMinute: Given,
    efsGb: Given,
    efsReadMbPerRun: Given,
    efsWriteMbPerRun: Given,
    efsReadMbPerStart: Given,
    efsInfrequentShare: Given,
    journalGb: Given,
  }),
  perUser: z.strictObject({
    secrets: Given,
    alarms: Given,
    alarmMetrics: Given,
    insightMetrics: Given,
    targetGroups: Given,
    rules: Given,
    certificates: Given,
    roles: Given,
  }),
  perInstallation: z.strictObject({ customMetrics: Given }),
  quotas: z.strictObject({
    vcpuDefault: Given,
    vcpuRaised: Given,
    servicesPerCluster: Given,
    accessPoints: Given,
    targetGroups: Given,
    rules: Given,
    certificates: Given,
    regionTargetGroups: Given,
    loadBalancers: Given,
    roles: Given,
    stacks: Given,
    alarms: Given,
    addresses: Given,
    networkInterfaces: Given,
    tableWritesPerKey: Given,
    efsReadMbPerSecond: Given,
    efsWriteMbPerSecond: Given,
  }),
  prices: z.strictObject({
    vcpuHour: Given,
    gbHour: Given,
    addressHour: Given,
    efsGbMonth: Given,
    efsInfrequentGbMonth: Given,
    efsReadGb: Given,
    efsWriteGb: Given,
    backupGbMonth: Given,
    writeUnitsMillion: Given,
    readUnitsMillion: Given,
    tableGbMonth: Given,
    fifoMillion: Given,
    logGb: Given,
    customMetricMonth: Given,
    insightMetricMonth: Given,
    alarmMonth: Given,
    secretMonth: Given,
    loadBalancerMonth: Given,
    sharedMonth: Given,
  }),
})

export type Inputs = z.output<typeof File>

const FILE = new URL('inputs.json', import.meta.url)
const Group = z.record(z.string(), z.unknown())

/** A figure was given that is none. */
export class UnknownFigure extends Error {
  readonly figure: string

  constructor(figure: string) {
    super(`there is no figure ${figure}`)
    this.figure = figure
  }
}

/**
 * @param given puts a figure in the place of one of the file, by its name, such as `use.runMedianS`
 * @throws UnknownFigure
 * @throws where a figure of the file is missing, unknown, or outside its own range
 */
export function readInputs(given: ReadonlyMap<string, number> = new Map(), text: string = readFileSync(FILE, 'utf8')): Inputs {
  const groups = z.record(z.string(), z.unknown()).parse(JSON.parse(text))
  for (const [figure, value] of given) {
    const [group = '', name = ''] = figure.split('.')
    const figures = Group.safeParse(groups[group])
    if (!figures.success || !Object.hasOwn(figures.data, name)) throw new UnknownFigure(figure)
    groups[group] = { ...figures.data, [name]: { value, unit: 'as given', kind: 'setting', range: [value, value], source: 'given' } }
  }
  return File.parse(groups)
}
