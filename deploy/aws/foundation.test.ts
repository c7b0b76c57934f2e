import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Match, Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { MEASURES } from '../../src/observe/measure.ts'
import { LOGGED } from './alarms.ts'
import { METRICS } from './metrics.ts'
import { anna, everyStack, foundations, ofType, onlyOne, stackOf, type Statement } from './testing.ts'

const SOURCE = join(import.meta.dirname, '../../src')

describe('the network', () => {
  it('lets nobody in from outside but by the web ports of the load balancer', () => {
    const open = everyStack().flatMap(([, template]) => [
      ...ofType(template, 'AWS::EC2::SecurityGroup').flatMap(({ Properties }) => Properties['SecurityGroupIngress'] ?? []),
      ...ofType(template, 'AWS::EC2::SecurityGroupIngress').map(({ Properties }) => Properties),
    ])
    const fromOutside = open.filter((rule) => rule.SourceSecurityGroupId === undefined)
    expect(fromOutside.map(({ CidrIp, FromPort, ToPort }) => [CidrIp, FromPort, ToPort])).toEqual([
      ['0.0.0.0/0', 443, 443],
      ['0.0.0.0/0', 80, 80],
    ])
    const within = open.filter((rule) => rule.SourceSecurityGroupId !== undefined).map(({ FromPort, ToPort }) => `${FromPort}-${ToPort}`)
    expect(within.toSorted()).toEqual(['2049-2049', '2049-2049', '4321-4321', '8080-8080']) // two installations, one of them with a load balancer
    for (const [, template] of everyStack()) expect(JSON.stringify(template)).not.toContain('"IpProtocol":"-1"')
  })

  it('has no NAT, no paid endpoint, and a log of what flows', () => {
    for (const [, template] of foundations()) {
      const cdk = Template.fromJSON(template)
      cdk.resourceCountIs('AWS::EC2::NatGateway', 0)
      cdk.allResourcesProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' })
      cdk.resourceCountIs('AWS::EC2::FlowLog', 1)
      cdk.allResourcesProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: false })
    }
  })
})

describe('the load balancer', () => {
  it('speaks TLS 1.2 and later, sends HTTP on, and answers unknown names itself', () => {
    const cdk = Template.fromJSON(stackOf('one', 'branchline-foundation'))
    cdk.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
      Port: 443,
      SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-Res-2021-06',
      DefaultActions: [Match.objectLike({ Type: 'fixed-response' })],
    })
    cdk.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', { Port: 80, DefaultActions: [Match.objectLike({ Type: 'redirect' })] })
    const attributes = onlyOne(stackOf('one', 'branchline-foundation'), 'AWS::ElasticLoadBalancingV2::LoadBalancer').Properties['LoadBalancerAttributes']
    expect(attributes).toEqual(
      expect.arrayContaining([
        { Key: 'deletion_protection.enabled', Value: 'true' },
        { Key: 'access_logs.s3.enabled', Value: 'true' },
      ]),
    )
    Template.fromJSON(stackOf('three', 'agents-foundation')).resourceCountIs('AWS::ElasticLoadBalancingV2::LoadBalancer', 0) // queues only
  })

  it('leads a host to the API and the names below it to previews', () => {
    const rules = ofType(anna(), 'AWS::ElasticLoadBalancingV2::ListenerRule').map(({ Properties }) => Properties['Conditions'][0].HostHeaderConfig.Values)
    expect(rules).toEqual([['acme-site-anna.branchline.example.com'], ['*.acme-site-anna.branchline.example.com']])
    const cdk = Template.fromJSON(anna())
    cdk.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', { Port: 8080, HealthCheckPath: '/health', Matcher: { HttpCode: '200' } })
    cdk.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', { Port: 4321, Matcher: { HttpCode: '200-499' } })
    cdk.hasResourceProperties('AWS::CertificateManager::Certificate', {
      DomainName: 'acme-site-anna.branchline.example.com',
      SubjectAlternativeNames: ['*.acme-site-anna.branchline.example.com'],
    })
    cdk.resourceCountIs('AWS::Route53::RecordSet', 2)
  })
})

describe('what is kept', () => {
  it('is encrypted, backed up, and outlives its stack', () => {
    for (const [, template] of foundations()) {
      const cdk = Template.fromJSON(template)
      cdk.hasResource('AWS::EFS::FileSystem', {
        DeletionPolicy: 'Retain',
        Properties: { Encrypted: true, ThroughputMode: 'elastic', BackupPolicy: { Status: 'ENABLED' } },
      })
      const tables = ofType(template, 'AWS::DynamoDB::Table')
      expect(tables.map(({ Properties }) => Properties['KeySchema'].map(({ AttributeName }: { AttributeName: string }) => AttributeName))).toEqual([
        ['pk', 'sk'],
        ['containerId', 'threadId'],
      ])
      for (const { DeletionPolicy, Properties } of tables) {
        expect(DeletionPolicy).toBe('Retain')
        expect(Properties).toMatchObject({
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
          BillingMode: 'PAY_PER_REQUEST',
        })
      }
    }
  })

  it('is reached through TLS and an access point alone', () => {
    for (const [, template] of foundations()) {
      const { Statement: statements } = onlyOne(template, 'AWS::EFS::FileSystem').Properties['FileSystemPolicy']
      expect(statements.map(({ Effect, Condition }: Statement) => [Effect, Condition])).toEqual([
        ['Deny', { Bool: { 'aws:SecureTransport': 'false' } }],
        ['Deny', { Null: { 'elasticfilesystem:AccessPointArn': 'true' } }],
      ])
    }
  })

  it('of images are the last twenty, each as it was pushed', () => {
    Template.fromJSON(stackOf('one', 'branchline-registry')).hasResourceProperties('AWS::ECR::Repository', {
      ImageTagMutability: 'IMMUTABLE',
      ImageScanningConfiguration: { ScanOnPush: true },
      LifecyclePolicy: { LifecyclePolicyText: Match.stringLikeRegexp('"countNumber":20') },
    })
  })
})

describe('what is watched', () => {
  it('alarms somebody, each with what to do', () => {
    const names = everyStack().flatMap(([stackName, template]) =>
      Object.entries(template.Resources)
        .filter(([, { Type }]) => Type === 'AWS::CloudWatch::Alarm')
        .map(([id, { Properties }]) => {
          expect(Properties['AlarmActions'], id).toHaveLength(1)
          expect(Properties['AlarmDescription'], id).toMatch(/^[A-Z].{40,}\.$/s)
          return `${stackName} ${id.replace(/[0-9A-F]{8}$/, '')}`
        }),
    )
    expect(names.filter((name) => name.startsWith('branchline-')).toSorted()).toEqual([
      'branchline-acme-site-anna DeadLetters',
      'branchline-acme-site-anna NotRunning',
      'branchline-acme-site-anna OldMessages',
      'branchline-acme-site-anna Waiting',
      'branchline-foundation Cost',
      'branchline-foundation FailingRuns',
      'branchline-foundation FilesBusy',
      'branchline-foundation FilesThroughput',
      'branchline-foundation ServiceErrors',
      'branchline-foundation TaskRefusals',
      'branchline-foundation Unrecorded',
    ])
  })

  it('reaches the operators: CloudWatch may publish, and their address is subscribed', () => {
    const cdk = Template.fromJSON(stackOf('one', 'branchline-foundation'))
    cdk.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Effect: 'Allow', Action: 'sns:Publish', Principal: { Service: 'cloudwatch.amazonaws.com' } })]),
      },
    })
    cdk.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'operators@example.com' })
  })

  it('is on the dashboard, every figure of the service among it', () => {
    for (const [, template] of foundations()) {
      const body = JSON.stringify(onlyOne(template, 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'])
      expect(Object.keys(METRICS).toSorted((a, b) => a.localeCompare(b))).toEqual(Object.keys(MEASURES).toSorted((a, b) => a.localeCompare(b)))
      const figures = [
        ...Object.keys(METRICS),
        ...Object.keys(LOGGED),
        'ApproximateAgeOfOldestMessage',
        'ApproximateNumberOfMessagesVisible',
        'RunningTaskCount',
        'PercentIOLimit',
        'BurstCreditBalance',
      ]
      for (const figure of figures) expect(body, figure).toContain(figure)
    }
  })

  it('is of this installation alone: metrics, filters and alarms have its namespace', () => {
    const foundation = stackOf('three', 'agents-foundation')
    for (const { Properties } of ofType(foundation, 'AWS::Logs::MetricFilter')) {
      for (const { MetricNamespace } of Properties['MetricTransformations']) expect(MetricNamespace).toBe('Branchline/agents')
    }
    const namespaces = JSON.stringify(foundation).match(/Branchline[/\w]*(?=\\*")/g)
    expect([...new Set(namespaces)]).toEqual(['Branchline/agents'])
  })

  it('looks for queues of threads by the name that fits there, besides the whole one', () => {
    const bodyOf = (name: string) =>
      JSON.stringify(onlyOne(stackOf(name === 'agents' ? 'three' : 'one', `${name}-foundation`), 'AWS::CloudWatch::Dashboard').Properties['DashboardBody'])
    expect(bodyOf('branchline')).toContain('((branchline) OR (branchlin)) input')
    expect(bodyOf('agents')).toContain('((agents)) input')
  })

  it('counts in the log what the service writes there', () => {
    const source = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(join(SOURCE, file), 'utf8'))
      .join('\n')
    const events = Object.values(LOGGED).flatMap(({ pattern }) => [...pattern.matchAll(/event = "([^"]+)"/g)].map(([, event = '']) => event))
    expect(events.length).toBeGreaterThan(5)
    for (const event of events) expect(source.includes(`event: '${event}'`), `nothing in src/ logs ${event}`).toBe(true)
    for (const [, template] of foundations()) expect(ofType(template, 'AWS::Logs::MetricFilter')).toHaveLength(Object.keys(LOGGED).length)
  })
})
