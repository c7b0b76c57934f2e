import { Duration } from 'aws-cdk-lib'
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import {
  ApplicationListenerCertificate,
  ApplicationListenerRule,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCondition,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import { ARecord, RecordTarget } from 'aws-cdk-lib/aws-route53'
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets'
import type { Construct } from 'constructs'
import type { Entrance } from './entrance.ts'
import { API_PORT, PREVIEW_PORT, type Network } from './network.ts'

/**
 * `{slug}.{domain}` leads to the API of one user, any name below it to the previews of that user's threads.
 *
 * A request does not wake a container: while it sleeps the load balancer answers 503. Whoever comes by HTTP alone, or from GitHub,
 * wants `alwaysOn`.
 */
export function openFor(
  scope: Construct,
  { zone, balancer, https }: Entrance,
  { vpc }: Network,
  service: FargateService,
  host: string,
  priority: number,
): void {
  const below = `*.${host}`
  const certificate = new Certificate(scope, 'Certificate', {
    domainName: host,
    subjectAlternativeNames: [below],
    validation: CertificateValidation.fromDns(zone),
  })
  const served = new ApplicationListenerCertificate(scope, 'Served', { listener: https, certificates: [certificate] })
  const doors = [
    { id: 'Api', name: host, port: API_PORT, path: '/health', healthy: '200' },
    // Asked without the name of a preview, the gateway answers 421, or 404: it is there.
    { id: 'Previews', name: below, port: PREVIEW_PORT, path: '/', healthy: '200-499' },
  ]
  for (const [at, { id, name, port, path, healthy }] of doors.entries()) {
    const group = new ApplicationTargetGroup(scope, `${id}Target`, {
      vpc,
      port,
      protocol: ApplicationProtocol.HTTP,
      targetType: TargetType.IP,
      targets: [service.loadBalancerTarget({ containerName: 'branchline', containerPort: port })],
      deregistrationDelay: Duration.seconds(15), // a container that stops takes no new work; who waits for it asks again
      healthCheck: {
        path,
        healthyHttpCodes: healthy,
        interval: Duration.seconds(15),
        timeout: Duration.seconds(10),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 5,
      },
    })
    const rule = new ApplicationListenerRule(scope, `${id}Rule`, {
      listener: https,
      priority: priority + at,
      conditions: [ListenerCondition.hostHeaders([name])],
      action: ListenerAction.forward([group]),
    })
    rule.node.addDependency(served)
    service.node.addDependency(rule) // ECS takes a target group only when a listener leads to it
    new ARecord(scope, `${id}Alias`, { zone, recordName: `${name}.`, target: RecordTarget.fromAlias(new LoadBalancerTarget(balancer)) })
  }
}
