import { CfnOutput, Duration, Stack, Tags, type StackProps } from 'aws-cdk-lib'
import { AdjustmentType, ScalableTarget, ServiceNamespace, StepScalingAction } from 'aws-cdk-lib/aws-applicationautoscaling'
import { Alarm, ComparisonOperator, MathExpression, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { ApplicationScalingAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { IRepository } from 'aws-cdk-lib/aws-ecr'
import { Secret as TaskSecret, FargateService, FargatePlatformVersion, PropagatedTagSource } from 'aws-cdk-lib/aws-ecs'
import { AccessPoint } from 'aws-cdk-lib/aws-efs'
import { Role } from 'aws-cdk-lib/aws-iam'
import { Secret, type ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Queue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import { containerIdOf } from '../../src/queues/names.ts'
import { accept } from './accept.ts'
import { alarmAt } from './alarms.ts'
import { environmentOf, taskDefinitionOf } from './container.ts'
import type { FoundationStack } from './foundation.ts'
import type { Installation, InstalledUser } from './installation.ts'
import { directoryOf } from './names.ts'
import { executionRoleOf, SERVICE_TAG, senderPolicyOf, taskRoleOf } from './roles.ts'
import { openFor } from './user-entrance.ts'
import { knockedAt, queuesOf, type UserQueues } from './user-queues.ts'

export interface UserParts {
  readonly installation: Installation
  readonly user: InstalledUser
  readonly slug: string
  /** Of the first of the two rules of the load balancer. */
  readonly priority: number
  readonly foundation: FoundationStack
  readonly repository: IRepository
}

/** AWS makes it when it is first needed in an account (a service-linked role). */
const SCALING_ROLE = 'aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService'

const QUARTER = Duration.minutes(15)

/** Everything of one client, project and user: queues, files, rights and the container. */
export class UserStack extends Stack {
  readonly #parts: UserParts
  readonly #queues: UserQueues

  constructor(scope: Construct, id: string, parts: UserParts, props: StackProps) {
    super(scope, id, props)
    const { installation, user, slug, foundation, repository } = parts
    const { name, model } = installation
    this.#parts = parts
    this.#queues = queuesOf(this, name, user)
    const queues = this.#queues
    const accessPoint = this.#accessPoint()
    const secrets = this.#secrets()
    const owned = { queues, accessPoint, containerId: containerIdOf(user), clusterName: name, serviceName: slug, family: `${name}-${slug}` }
    const host = foundation.entrance === undefined ? undefined : `${slug}.${foundation.entrance.domain}`
    const definition = taskDefinitionOf(this, {
      family: owned.family,
      installation,
      user,
      foundation,
      repository,
      accessPoint,
      taskRole: taskRoleOf(this, foundation, model, owned),
      executionRole: executionRoleOf(this, {
        repositoryArn: repository.repositoryArn,
        logGroupArn: foundation.log.logGroupArn,
        secrets: Object.values(secrets).map((secret) => secret.secretFullArn ?? `${secret.secretArn}-??????`),
      }),
      environment: environmentOf({
        installation,
        user,
        host,
        region: this.region,
        account: this.account,
        queues,
        queuesTable: foundation.storage.queues.tableName,
        journalTable: foundation.storage.journal.tableName,
        cluster: name,
        service: slug,
      }),
      secrets: Object.fromEntries(Object.entries(secrets).map(([variable, secret]) => [variable, TaskSecret.fromSecretsManager(secret)])),
    })
    const service = new FargateService(this, 'Service', {
      serviceName: slug,
      cluster: foundation.cluster,
      taskDefinition: definition,
      platformVersion: FargatePlatformVersion.VERSION1_4,
      vpcSubnets: { subnets: foundation.network.vpc.publicSubnets },
      assignPublicIp: true, // there is no NAT; its group lets nobody in but the load balancer
      securityGroups: [foundation.network.tasks],
      // One at a time: the old one gives up its lease before the new one takes it.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      propagateTags: PropagatedTagSource.SERVICE,
      enableECSManagedTags: true,
      // Without a count the first deployment starts one task, which shows that the container can start, and which ends itself when it
      // has had nothing to do. Later deployments leave the count as it is: a running container is not stopped, a sleeping one not woken.
      ...(user.alwaysOn ? { desiredCount: 1 } : {}),
      ...(host === undefined ? {} : { healthCheckGracePeriod: Duration.minutes(3) }),
      // A container that cannot start fails its deployment after a few attempts, not after hours. A service that sleeps is not concerned.
      circuitBreaker: { enable: true, rollback: true },
    })
    if (host !== undefined && foundation.entrance !== undefined) openFor(this, foundation.entrance, foundation.network, service, host, parts.priority)
    const policy = senderPolicyOf(this, foundation, `${name}-${slug}-sender`, owned)
    if (user.safetyNet && !user.alwaysOn) this.#wakeByItself(service)
    this.#watch()

    for (const [key, value] of [
      ['client', user.clientId],
      ['project', user.projectId],
      ['user', user.userId],
      [SERVICE_TAG, slug],
    ] as const)
      Tags.of(this).add(key, value)
    const outputs = {
      ...(queues.kind === 'pair' ? { InputQueueUrl: queues.input.queueUrl, OutputQueueUrl: queues.output.queueUrl } : { QueuePrefix: queues.prefix }),
      DeadLetterQueueUrl: queues.dead.queueUrl,
      WakeTarget: `${name}/${slug}`,
      SenderPolicy: policy.managedPolicyArn,
      ...(host === undefined ? {} : { Url: `https://${host}`, ApiTokenSecret: secrets['API_TOKEN']?.secretName ?? '' }),
    }
    for (const [key, value] of Object.entries(outputs)) new CfnOutput(this, key, { value })
  }

  /** The folder of this user's workspace, which is all that the container sees of the file system. Users are as the container says. */
  #accessPoint(): AccessPoint {
    return new AccessPoint(this, 'Workspace', {
      fileSystem: this.#parts.foundation.storage.files,
      path: directoryOf(this.#parts.user),
      createAcl: { ownerUid: '0', ownerGid: '0', permissions: '0755' }, // agents walk through it as users of their own
    })
  }

  /** Secrets by the variable that they are given in. */
  #secrets(): Readonly<Record<string, ISecret>> {
    const { foundation, user } = this.#parts
    const given = Object.entries(user.secrets).map(([variable, secret]) => [variable, Secret.fromSecretNameV2(this, `Secret_${variable}`, secret)] as const)
    return {
      ...Object.fromEntries(given),
      ...(foundation.modelKey === undefined ? {} : { ANTHROPIC_API_KEY: foundation.modelKey }),
      ...(foundation.entrance === undefined ? {} : { API_TOKEN: this.#apiToken() }),
      ...(user.gitTokenSecret === undefined ? {} : { GITHUB_TOKEN: Secret.fromSecretNameV2(this, 'GitToken', user.gitTokenSecret) }),
    }
  }

  #apiToken(): Secret {
    const { user } = this.#parts
    const secret = new Secret(this, 'ApiToken', {
      description: `Token of the API for ${user.clientId}, ${user.projectId}, ${user.userId}`,
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
    })
    accept(
      secret,
      'AwsSolutions-SMG4',
      'Those who call the API hold it too, so that they would be locked out by a change of its own accord. The operator changes it and starts the container anew.',
    )
    return secret
  }

  /**
   * A safety net for senders that may not call UpdateService: a message that waits starts the service. It takes one to two minutes, and
   * up to 15 after six quiet hours, when SQS reports anew; a sender that wakes the service itself is faster.
   *
   * It only ever scales out: its one step sets the count to 1 whatever the metric says above the threshold, and there is no step
   * below it. The container sets the count to 0 itself.
   */
  #wakeByItself(service: FargateService): void {
    const target = new ScalableTarget(this, 'Scaling', {
      serviceNamespace: ServiceNamespace.ECS,
      resourceId: `service/${this.#parts.installation.name}/${this.#parts.slug}`,
      scalableDimension: 'ecs:service:DesiredCount',
      minCapacity: 0,
      maxCapacity: 1,
      role: Role.fromRoleArn(this, 'ScalingRole', this.formatArn({ service: 'iam', region: '', resource: 'role', resourceName: SCALING_ROLE })),
    })
    target.node.addDependency(service)
    const wake = new StepScalingAction(this, 'Wake', { scalingTarget: target, adjustmentType: AdjustmentType.EXACT_CAPACITY })
    wake.addAdjustment({ adjustment: 1, lowerBound: 0 })
    const waiting = new Alarm(this, 'Waiting', {
      metric: this.#ofQueue(knockedAt(this.#queues), 'ApproximateNumberOfMessagesVisible', Duration.minutes(1)),
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: 'A message waits. Nothing has to be done: this starts the container.',
    })
    waiting.addAlarmAction(new ApplicationScalingAction(wake))
  }

  #ofQueue({ queueName: QueueName }: Queue, metricName: string, period: Duration): Metric {
    return new Metric({ namespace: 'AWS/SQS', metricName, dimensionsMap: { QueueName }, statistic: 'Maximum', period })
  }

  #watch(): void {
    const { installation, foundation, slug, user } = this.#parts
    const { alarms } = foundation
    // Whether the container runs or not: a message is deleted when it is recorded, so one that is old was met by nobody, or by a
    // container that cannot record it.
    alarmAt(this, 'OldMessages', alarms, {
      metric: this.#ofQueue(knockedAt(this.#queues), 'ApproximateAgeOfOldestMessage', Duration.minutes(5)),
      from: QUARTER.toSeconds(),
      about: `A message of ${slug} has waited for 15 minutes. Look whether its service has a task, and what that says in the log; set the desired count to 1 where it has none.`,
    })
    alarmAt(this, 'DeadLetters', alarms, {
      metric: this.#ofQueue(this.#queues.dead, 'ApproximateNumberOfMessagesVisible', Duration.minutes(5)),
      from: 1,
      about: `A message of ${slug} could not be taken or carried out. Read the reason with \`branchline dlq list\`; hand it in again with \`branchline dlq retry\`, or delete it.`,
    })
    const running = new Metric({
      namespace: 'ECS/ContainerInsights',
      metricName: 'RunningTaskCount',
      dimensionsMap: { ClusterName: installation.name, ServiceName: slug },
      statistic: 'Maximum',
      period: Duration.minutes(5),
    })
    const visible = this.#ofQueue(knockedAt(this.#queues), 'ApproximateNumberOfMessagesVisible', Duration.minutes(5))
    alarmAt(this, 'NotRunning', alarms, {
      metric: new MathExpression({
        expression: user.alwaysOn ? 'IF(FILL(running, 0) < 1, 1, 0)' : 'IF(FILL(visible, 0) > 0 AND FILL(running, 0) < 1, 1, 0)',
        usingMetrics: user.alwaysOn ? { running } : { visible, running },
        label: 'Awaited and not running',
        period: Duration.minutes(5),
      }),
      from: 1,
      periods: 3,
      about: `The container of ${slug} ${user.alwaysOn ? 'has not run' : 'has not run, though messages wait,'} for 15 minutes. See in the events and stopped tasks of its service why it does not start.`,
    })
  }
}
