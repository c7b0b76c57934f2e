import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager'
import { Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { ApplicationListener, ApplicationLoadBalancer, ApplicationProtocol, ListenerAction, SslPolicy } from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ARecord, HostedZone, RecordTarget, type IHostedZone } from 'aws-cdk-lib/aws-route53'
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets'
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { accept } from './accept.ts'
import { API_PORT, PREVIEW_PORT, type Network } from './network.ts'

/** The domain of an installation and its zone in Route 53. */
export interface Address {
  readonly domain: string
  readonly hostedZoneId: string
  readonly hostedZoneName: string
}

export interface Entrance {
  readonly domain: string
  readonly zone: IHostedZone
  readonly balancer: ApplicationLoadBalancer
  readonly https: ApplicationListener
}

/** A call that waits for its result may be silent for as long as a run may take (RUN_LIMIT, an hour); 4,000 s is the most there is. */
const IDLE = Duration.seconds(4000)
const ACCESS_LOG_DAYS = 90

/**
 * The one door from outside: HTTPS, where each user's host names lead to that user's container, and a 404 for any other name.
 *
 * There is no web application firewall: the API answers nobody without its token, previews nobody without a signed link, and a rule
 * set that looks into bodies would refuse source code. AWS Shield Standard is there without being asked for.
 */
export function entranceIn(scope: Construct, { domain, hostedZoneId, hostedZoneName }: Address, { vpc, tasks }: Network): Entrance {
  const zone = HostedZone.fromHostedZoneAttributes(scope, 'Zone', { hostedZoneId, zoneName: hostedZoneName })
  const group = new SecurityGroup(scope, 'BalancerGroup', { vpc, description: 'The load balancer: web in, tasks out', allowAllOutbound: false })
  group.addIngressRule(Peer.anyIpv4(), Port.tcp(443), 'HTTPS')
  group.addIngressRule(Peer.anyIpv4(), Port.tcp(80), 'HTTP, which is sent on to HTTPS')
  accept(group, 'AwsSolutions-EC23', 'It is the public door: the API and previews are for callers anywhere, who show a token or a signed link.')
  for (const [port, use] of [
    [API_PORT, 'API'],
    [PREVIEW_PORT, 'Previews'],
  ] as const) {
    group.addEgressRule(tasks, Port.tcp(port), use)
    tasks.addIngressRule(group, Port.tcp(port), use)
  }

  const balancer = new ApplicationLoadBalancer(scope, 'Balancer', {
    vpc,
    vpcSubnets: { subnets: vpc.publicSubnets },
    internetFacing: true,
    securityGroup: group,
    deletionProtection: true,
    dropInvalidHeaderFields: true,
    idleTimeout: IDLE,
  })
  balancer.logAccessLogs(accessLogIn(scope), 'balancer')
  balancer.addListener('Http', {
    protocol: ApplicationProtocol.HTTP,
    open: false,
    defaultAction: ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }),
  })
  const https = balancer.addListener('Https', {
    protocol: ApplicationProtocol.HTTPS,
    open: false,
    sslPolicy: SslPolicy.TLS13_RES, // TLS 1.3, and 1.2 with forward secrecy and authenticated encryption
    certificates: [new Certificate(scope, 'Certificate', { domainName: domain, validation: CertificateValidation.fromDns(zone) })],
    defaultAction: ListenerAction.fixedResponse(404, { contentType: 'text/plain', messageBody: 'There is nothing of this name.\n' }),
  })
  new ARecord(scope, 'Alias', { zone, recordName: `${domain}.`, target: RecordTarget.fromAlias(new LoadBalancerTarget(balancer)) })
  return { domain, zone, balancer, https }
}

function accessLogIn(scope: Construct): Bucket {
  const bucket = new Bucket(scope, 'AccessLog', {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    encryption: BucketEncryption.S3_MANAGED, // the load balancer writes with no other
    enforceSSL: true,
    lifecycleRules: [{ expiration: Duration.days(ACCESS_LOG_DAYS) }],
    removalPolicy: RemovalPolicy.RETAIN,
  })
  accept(bucket, 'AwsSolutions-S1', 'It holds access logs itself; a log of who wrote them would need another bucket with the same question.')
  return bucket
}
