import { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, MathExpression, Metric, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { FileSystem } from 'aws-cdk-lib/aws-efs'
import { FilterPattern, MetricFilter, type ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import type { Installation } from './installation.ts'
import { metricOf, namespaceOf } from './metrics.ts'

/** What is counted in the log: one JSON object a line, `event` says what happened. */
export const LOGGED = {
  failed_commands: {
    title: 'Commands that failed',
    // What a newer message stopped or took along has not failed.
    pattern: '{ ($.event = "command.ended") && ($.success IS FALSE) && (($.code NOT EXISTS) || (($.code != "interrupted") && ($.code != "superseded"))) }',
  },
  refused_messages: { title: 'Messages that were refused', pattern: '{ $.event = "message.refused" }' },
  dead_letters_sent: { title: 'Dead letters that were sent', pattern: '{ ($.event = "dead_letter.sent") || ($.event = "dead_letter.not_sent") }' },
  unrecorded_messages: {
    title: 'What the journal or a queue did not take',
    pattern:
      '{ ($.event = "message.not_recorded") || ($.event = "result.undelivered") || ($.event = "commands.not_forgotten") || ($.event = "queue.not_read") }',
  },
  task_refusals: {
    title: 'What ECS did not let a container do with its own task',
    pattern: '{ ($.event = "task.not_protected") || ($.event = "task.not_given_up") }',
  },
  service_errors: {
    title: 'Errors of the service',
    // pino's levels: 50 is an error, 60 fatal. `workspace.lost`, `run.broke`, `save.failed` and `outbox.failed` are among them.
    pattern: '{ $.level >= 50 }',
  },
} as const

/** Metrics of what the containers of an installation log. */
export function countLogged(scope: Construct, name: string, logGroup: ILogGroup): void {
  for (const [metricName, { pattern }] of Object.entries(LOGGED)) {
    new MetricFilter(scope, `Count_${metricName}`, {
      logGroup,
      filterPattern: FilterPattern.literal(pattern),
      metricNamespace: namespaceOf(name),
      metricName,
      metricValue: '1',
    })
  }
}

export interface Watched {
  readonly metric: IMetric
  /** It is an alarm when the metric is this, or more. */
  readonly from: number
  /** How many periods of the metric have to be so, one after the other. */
  readonly periods?: number
  /** What happened, and what to do. */
  readonly about: string
}

/** An alarm that tells the topic. Where nothing is measured nothing is wrong: containers sleep. */
export function alarmAt(scope: Construct, id: string, topic: ITopic, { metric, from, periods = 1, about }: Watched): Alarm {
  const alarm = new Alarm(scope, id, {
    metric,
    threshold: from,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    evaluationPeriods: periods,
    datapointsToAlarm: periods,
    treatMissingData: TreatMissingData.NOT_BREACHING,
    alarmDescription: about,
  })
  alarm.addAlarmAction(new SnsAction(topic))
  return alarm
}

const QUARTER = Duration.minutes(15)
const FAILURES = 6
const PERCENT = 80

/** The alarms of a whole installation; those of one user are with that user. */
export function alarmsOfInstallation(scope: Construct, topic: ITopic, files: FileSystem, { name, maxCostUsdPerDay }: Installation): readonly Alarm[] {
  const ofFiles = (metricName: string, statistic: string): Metric =>
    new Metric({ namespace: 'AWS/EFS', metricName, dimensionsMap: { FileSystemId: files.fileSystemId }, statistic, period: Duration.minutes(5) })
  return [
    alarmAt(scope, 'FailingRuns', topic, {
      metric: metricOf(name, 'failed_commands', 'Sum', QUARTER),
      from: FAILURES,
      about: 'More than 5 commands failed in 15 minutes. Look for command.ended with success false in the log; its code says why.',
    }),
    alarmAt(scope, 'ServiceErrors', topic, {
      metric: metricOf(name, 'service_errors', 'Sum'),
      from: 1,
      about: 'A container met an error of its own. Look for level 50 in the log: its event and err say what broke.',
    }),
    alarmAt(scope, 'Unrecorded', topic, {
      metric: metricOf(name, 'unrecorded_messages', 'Sum', QUARTER),
      from: 10,
      about:
        'The journal or a queue does not take what it should. Look for the events message.not_recorded, result.undelivered and queue.not_read in the log, and at the health page of DynamoDB and SQS.',
    }),
    alarmAt(scope, 'TaskRefusals', topic, {
      metric: metricOf(name, 'task_refusals', 'Sum', QUARTER),
      from: 1,
      about:
        'ECS has not let a container protect or give up its task, so a deployment may interrupt its work, or it costs money while it has none. Read error in the log lines task.not_protected and task.not_given_up; where it says access denied, compare the role of the task.',
    }),
    alarmAt(scope, 'Cost', topic, {
      metric: metricOf(name, 'cost_usd_total', 'Sum', Duration.days(1)),
      from: maxCostUsdPerDay,
      about: `Models cost ${maxCostUsdPerDay} USD or more in a day. See on the dashboard whose it is, and lower maxCostUsdPerDay of that user or set the desired count of the service to 0.`,
    }),
    alarmAt(scope, 'FilesBusy', topic, {
      metric: ofFiles('PercentIOLimit', 'Maximum'),
      from: PERCENT,
      periods: 3,
      about: `The file system has been at ${PERCENT} % of its operations for 15 minutes. See on the dashboard whose containers are busy, and put some of the users on an installation of their own.`,
    }),
    alarmAt(scope, 'FilesThroughput', topic, {
      metric: new MathExpression({
        expression: '100 * bytes / PERIOD(bytes) / allowed',
        usingMetrics: { bytes: ofFiles('MeteredIOBytes', 'Sum'), allowed: ofFiles('PermittedThroughput', 'Minimum') },
        label: 'Throughput, in percent of what is allowed',
        period: Duration.minutes(5),
      }),
      from: PERCENT,
      periods: 3,
      about: `The file system has been at ${PERCENT} % of its throughput for 15 minutes. See on the dashboard whose containers are busy, and put some of the users on an installation of their own.`,
    }),
  ]
}
