import { Duration } from 'aws-cdk-lib'
import {
  Dashboard,
  GraphWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  MathExpression,
  Metric,
  SearchExpression,
  TextWidget,
  type IMetric,
  type IWidget,
} from 'aws-cdk-lib/aws-cloudwatch'
import type { FileSystem } from 'aws-cdk-lib/aws-efs'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import { LOGGED } from './alarms.ts'
import { METRICS, metricOf } from './metrics.ts'
import { threadNameOf } from './names.ts'

const PERIOD = Duration.minutes(5)
const [WIDTH, HEIGHT, PER_ROW] = [8, 6, 3]

export interface Shown {
  /** Of the installation, and of its cluster. */
  readonly name: string
  readonly files: FileSystem
  readonly log: ILogGroup
}

/**
 * One dashboard for all users: what is looked for (SEARCH) finds those who come later by itself, and each dashboard past the third of
 * an account is 3 USD a month.
 */
export function dashboardOf(scope: Construct, { name, files, log }: Shown): Dashboard {
  const inCluster = (metric: string, statistic: string): IMetric =>
    search(`{ECS/ContainerInsights,ClusterName,ServiceName} MetricName="${metric}" ClusterName="${name}"`, statistic)
  // Words without quotes are looked for in all of a name. Those of queues of threads begin with the name as far as it fits there, so
  // that they are shown with those of another installation whose name begins alike.
  const names = [...new Set([name, threadNameOf(name)])].map((each) => `(${each.split('-').filter(Boolean).join(' ')})`).join(' OR ')
  const inQueues = (metric: string, use: string, statistic: string): IMetric =>
    search(`{AWS/SQS,QueueName} MetricName="${metric}" (${names}) ${use}`, statistic)
  const ofFiles = (metricName: string, statistic: string): Metric =>
    new Metric({ namespace: 'AWS/EFS', metricName, dimensionsMap: { FileSystemId: files.fileSystemId }, statistic, period: PERIOD })
  const table = (title: string, queryLines: string[]): LogQueryWidget =>
    new LogQueryWidget({ title, logGroupNames: [log.logGroupName], view: LogQueryVisualizationType.TABLE, queryLines, width: WIDTH, height: HEIGHT })

  const rows: readonly (readonly [heading: string, ...widgets: IWidget[]])[] = [
    [
      'What containers measure, all users together',
      ...Object.entries(METRICS).map(([metric, { title, statistics }]) =>
        graph(
          title,
          statistics.map((statistic) => metricOf(name, metric, statistic)),
        ),
      ),
    ],
    [
      'By user, in the time that is shown',
      table('Commands, and their cost in USD', [
        'filter event = "command.ended"',
        'stats sum(costUsd) as usd, count(*) as commands by clientId, projectId, userId',
        'sort usd desc',
      ]),
      table('Commands by outcome', ['filter event = "command.ended"', 'stats count(*) as commands by success, code', 'sort commands desc']),
      table('Most memory and threads', [
        'filter event = "metrics"',
        'stats max(service_memory_bytes + children_memory_bytes) as bytes, max(container_threads) as threads by client, project, user',
        'sort bytes desc',
      ]),
    ],
    [
      'Queues',
      graph('Messages that wait', [inQueues('ApproximateNumberOfMessagesVisible', 'input', 'Maximum')]),
      graph('Age of the oldest message', [inQueues('ApproximateAgeOfOldestMessage', 'input', 'Maximum')]),
      graph('Results that wait', [inQueues('ApproximateNumberOfMessagesVisible', 'output', 'Maximum')]),
      graph('Dead letters that lie there', [inQueues('ApproximateNumberOfMessagesVisible', 'dead', 'Maximum')]),
    ],
    [
      'Tasks',
      graph('Running tasks', [inCluster('RunningTaskCount', 'Maximum')]),
      graph('CPU of tasks', [inCluster('CpuUtilized', 'Average')]),
      graph('Memory of tasks', [inCluster('MemoryUtilized', 'Maximum')]),
    ],
    [
      'File system',
      graph('Share of the possible operations, in percent', [ofFiles('PercentIOLimit', 'Maximum')]),
      graph('Bytes read and written', [ofFiles('DataReadIOBytes', 'Sum'), ofFiles('DataWriteIOBytes', 'Sum'), ofFiles('MetadataIOBytes', 'Sum')]),
      graph('Throughput that is allowed, and used', [ofFiles('PermittedThroughput', 'Minimum'), perSecond(ofFiles('MeteredIOBytes', 'Sum'))]),
      graph('Burst credit (of use where throughput is not elastic)', [ofFiles('BurstCreditBalance', 'Minimum')]),
    ],
    ['What containers log', ...Object.entries(LOGGED).map(([metric, { title }]) => graph(title, [metricOf(name, metric, 'Sum')]))],
  ]
  const dashboard = new Dashboard(scope, 'Dashboard', { dashboardName: name, defaultInterval: Duration.hours(12) })
  for (const [heading, ...widgets] of rows) {
    dashboard.addWidgets(new TextWidget({ markdown: `## ${heading}`, width: WIDTH * PER_ROW, height: 1 }))
    for (let at = 0; at < widgets.length; at += PER_ROW) dashboard.addWidgets(...widgets.slice(at, at + PER_ROW))
  }
  return dashboard
}

const graph = (title: string, left: IMetric[]): GraphWidget => new GraphWidget({ title, left, width: WIDTH, height: HEIGHT })

const search = (what: string, statistic: string): SearchExpression =>
  new SearchExpression({ expression: `SEARCH('${what}', '${statistic}', ${PERIOD.toSeconds()})`, label: '', period: PERIOD })

const perSecond = (bytes: IMetric): MathExpression =>
  new MathExpression({ expression: 'bytes / PERIOD(bytes)', usingMetrics: { bytes }, label: 'Used', period: PERIOD })
