import { CfnOutput, Fn, RemovalPolicy, SecretValue, Stack, type StackProps } from 'aws-cdk-lib'
import { Cluster, ContainerInsights } from 'aws-cdk-lib/aws-ecs'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { Construct } from 'constructs'
import { accept } from './accept.ts'
import { alarmsOfInstallation, countLogged } from './alarms.ts'
import { dashboardOf } from './dashboard.ts'
import { entranceIn, type Entrance } from './entrance.ts'
import type { Installation } from './installation.ts'
import { networkIn, type Network } from './network.ts'
import { storageIn, type Storage } from './storage.ts'

const ZONES = [0, 1]

/** What is there once and used by all users. */
export class FoundationStack extends Stack {
  readonly network: Network
  readonly storage: Storage
  readonly cluster: Cluster
  readonly log: LogGroup
  readonly alarms: Topic
  /** Where there is a domain. */
  readonly entrance: Entrance | undefined
  /** The key of the Anthropic API, where models are used by it. */
  readonly modelKey: Secret | undefined

  constructor(scope: Construct, id: string, installation: Installation, props: StackProps) {
    super(scope, id, props)
    const { name, domain, hostedZoneId, hostedZoneName, logRetentionDays, alarmEmail } = installation
    this.network = networkIn(this, logRetentionDays)
    this.storage = storageIn(this, this.network)
    this.cluster = new Cluster(this, 'Cluster', { clusterName: name, vpc: this.network.vpc, containerInsightsV2: ContainerInsights.ENHANCED })
    this.log = new LogGroup(this, 'Log', { retention: logRetentionDays, removalPolicy: RemovalPolicy.RETAIN })
    this.alarms = this.#alarms(name, alarmEmail)
    if (domain !== undefined && hostedZoneId !== undefined && hostedZoneName !== undefined) {
      this.entrance = entranceIn(this, { domain, hostedZoneId, hostedZoneName }, this.network)
    }
    if (installation.model.kind === 'anthropic') this.modelKey = this.#modelKey()
    countLogged(this, name, this.log)
    alarmsOfInstallation(this, this.alarms, this.storage.files, installation)
    dashboardOf(this, { name, files: this.storage.files, log: this.log })
    this.#tell()
  }

  /** Zones by number, not by name, so that nothing has to be looked up in the account. */
  override get availabilityZones(): string[] {
    return ZONES.map((zone) => Fn.select(zone, Fn.getAzs()))
  }

  /** What it passes on are names and numbers; whoever subscribes reads them in the clear, so they are not encrypted at rest for 1 USD a month. */
  #alarms(name: string, email: string | undefined): Topic {
    const topic = new Topic(this, 'Alarms', { displayName: `${name} alarms`, enforceSSL: true })
    // A policy of its own takes the place of the one by which alarms of the account may publish.
    topic.grantPublish(new ServicePrincipal('cloudwatch.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': this.account } } }))
    if (email !== undefined) topic.addSubscription(new EmailSubscription(email))
    return topic
  }

  #modelKey(): Secret {
    const secret = new Secret(this, 'AnthropicApiKey', {
      description: 'Key of the Anthropic API. Put yours in; the next start of a container uses it.',
      // What is here only says that it is none: it stays what the operator puts in, since the template does not change.
      secretStringValue: SecretValue.unsafePlainText('put-your-key-here'),
    })
    accept(secret, 'AwsSolutions-SMG4', 'The key is issued by Anthropic, and AWS cannot ask for another one. The operator replaces it.')
    return secret
  }

  #tell(): void {
    const outputs = {
      Cluster: this.cluster.clusterName,
      JournalTable: this.storage.journal.tableName,
      QueuesTable: this.storage.queues.tableName,
      FileSystem: this.storage.files.fileSystemId,
      LogGroup: this.log.logGroupName,
      ...(this.modelKey === undefined ? {} : { ModelKeySecret: this.modelKey.secretName }),
    }
    for (const [id, value] of Object.entries(outputs)) new CfnOutput(this, `${id}Name`, { value })
  }
}
