import { RemovalPolicy } from 'aws-cdk-lib'
import { FlowLogDestination, GatewayVpcEndpointAwsService, IpAddresses, Peer, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'

export const API_PORT = 8080
export const PREVIEW_PORT = 4321
const NFS_PORT = 2049

export interface Network {
  readonly vpc: Vpc
  /** The group of every task. */
  readonly tasks: SecurityGroup
  /** The group of the file system. */
  readonly files: SecurityGroup
}

/**
 * Two public subnets and no NAT: a NAT gateway is 33 USD a month and zone, a public address half a cent an hour while its task runs.
 * A task is reached by nobody but the load balancer: its group lets in nothing else.
 *
 * There are no interface endpoints either. Each is 0.01 USD an hour and zone, so the seven that a task would use (ECR twice, logs, SQS,
 * ECS, Secrets Manager, EFS) are 102 USD a month in two zones, for traffic that is encrypted and signed without them. Gateway endpoints
 * cost nothing.
 */
export function networkIn(scope: Construct, logRetention: RetentionDays): Network {
  const vpc = new Vpc(scope, 'Network', {
    ipAddresses: IpAddresses.cidr('10.20.0.0/16'),
    natGateways: 0,
    subnetConfiguration: [{ name: 'Public', subnetType: SubnetType.PUBLIC, cidrMask: 20, mapPublicIpOnLaunch: false }], // 4,091 addresses each
    gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 }, DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB } },
  })
  const log = new LogGroup(scope, 'NetworkLog', { retention: logRetention, removalPolicy: RemovalPolicy.DESTROY })
  vpc.addFlowLog('FlowLog', { destination: FlowLogDestination.toCloudWatchLogs(log) })

  const files = new SecurityGroup(scope, 'Files', { vpc, description: 'The file system: NFS from tasks', allowAllOutbound: false })
  // One group for the tasks of all users. It has no rule for itself, so they do not reach one another, and the rules of the file
  // system (60 a group at most) do not grow with the users.
  const tasks = new SecurityGroup(scope, 'Tasks', { vpc, description: 'Tasks: web and NFS out, the load balancer alone in', allowAllOutbound: false })
  tasks.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS, the model, git, package registries, and what agents look up')
  tasks.addEgressRule(Peer.anyIpv4(), Port.tcp(80), 'The same without TLS; EGRESS_ALLOW narrows what agents reach')
  tasks.addEgressRule(files, Port.tcp(NFS_PORT), 'Workspaces')
  files.addIngressRule(tasks, Port.tcp(NFS_PORT), 'Workspaces')
  return { vpc, tasks, files }
}
