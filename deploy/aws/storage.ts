import { RemovalPolicy } from 'aws-cdk-lib'
import { AttributeType, BillingMode, Table, type TableProps } from 'aws-cdk-lib/aws-dynamodb'
import { FileSystem, LifecyclePolicy, OutOfInfrequentAccessPolicy, PerformanceMode, ThroughputMode } from 'aws-cdk-lib/aws-efs'
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import type { Network } from './network.ts'

export interface Storage {
  readonly files: FileSystem
  readonly journal: Table
  readonly queues: Table
}

const CLIENT_ACTIONS = ['elasticfilesystem:ClientMount', 'elasticfilesystem:ClientWrite', 'elasticfilesystem:ClientRootAccess']

/**
 * What is not lost when the stacks are deleted: workspaces and journals. Keys of AWS encrypt both at rest. A key of one's own would be
 * 1 USD a month each and every user's task would need it; it guards against nobody whom the policies here let in.
 */
export function storageIn(scope: Construct, { vpc, files: group }: Network): Storage {
  const files = new FileSystem(scope, 'Workspaces', {
    vpc,
    vpcSubnets: { subnets: vpc.publicSubnets }, // mount targets have no public address wherever they are
    securityGroup: group,
    encrypted: true,
    performanceMode: PerformanceMode.GENERAL_PURPOSE,
    throughputMode: ThroughputMode.ELASTIC, // paid by what is read and written: nothing while nobody works
    enableAutomaticBackups: true,
    lifecyclePolicy: LifecyclePolicy.AFTER_30_DAYS,
    outOfInfrequentAccessPolicy: OutOfInfrequentAccessPolicy.AFTER_1_ACCESS,
    removalPolicy: RemovalPolicy.RETAIN,
    fileSystemPolicy: new PolicyDocument({
      // It allows nothing: the roles of tasks say who may use which access point.
      statements: [
        denied('WithoutTls', CLIENT_ACTIONS, { Bool: { 'aws:SecureTransport': 'false' } }),
        denied('WithoutAccessPoint', CLIENT_ACTIONS, { Null: { 'elasticfilesystem:AccessPointArn': 'true' } }),
      ],
    }),
  })
  const kept: TableProps = {
    partitionKey: { name: 'pk', type: AttributeType.STRING },
    billingMode: BillingMode.PAY_PER_REQUEST,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  }
  const journal = new Table(scope, 'Journal', { ...kept, sortKey: { name: 'sk', type: AttributeType.STRING } })
  const queues = new Table(scope, 'Queues', {
    ...kept,
    partitionKey: { name: 'containerId', type: AttributeType.STRING },
    sortKey: { name: 'threadId', type: AttributeType.STRING },
    timeToLiveAttribute: 'ttl',
  })
  return { files, journal, queues }
}

const denied = (sid: string, actions: string[], conditions: PolicyStatement['conditions']): PolicyStatement =>
  new PolicyStatement({ sid, effect: Effect.DENY, principals: [new AnyPrincipal()], actions, conditions })
