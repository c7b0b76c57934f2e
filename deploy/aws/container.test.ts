import { Capability } from 'aws-cdk-lib/aws-ecs'
import { Match, Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { VARIABLES } from '../../src/variables.ts'
import { KEPT_CAPABILITIES } from './container.ts'
import { anna, exampleOf, KIM, ofType, onlyOne, stackOf, statementsOf, synthesised, users, type SynthesisedTemplate } from './testing.ts'
import { SET_BY_INSTALLATION } from './user-variables.ts'

const containerOf = (template: SynthesisedTemplate) => onlyOne(template, 'AWS::ECS::TaskDefinition').Properties['ContainerDefinitions'][0]
const environmentOf = (template: SynthesisedTemplate): Record<string, unknown> =>
  Object.fromEntries(containerOf(template).Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]))

describe('the container', () => {
  it('has a read-only root, a /tmp and the workspace, and no more of root than it needs', () => {
    for (const [name, template] of users()) {
      const container = containerOf(template)
      expect(container, name).toMatchObject({ ReadonlyRootFilesystem: true, User: '0:0', StopTimeout: 120, Essential: true })
      expect(container.MountPoints).toEqual([
        { ContainerPath: '/tmp', ReadOnly: false, SourceVolume: 'tmp' },
        { ContainerPath: '/workspace', ReadOnly: false, SourceVolume: 'workspace' },
      ])
      // Fargate refuses a task that adds any but SYS_PTRACE, so that what is kept is what is not dropped.
      const { Capabilities, InitProcessEnabled } = container.LinuxParameters
      expect(Capabilities.Add).toBeUndefined()
      expect(InitProcessEnabled).toBe(false)
      expect(
        Object.values(Capability)
          .filter((each) => each !== Capability.ALL && !Capabilities.Drop.includes(each))
          .toSorted(),
      ).toEqual(KEPT_CAPABILITIES.toSorted())
      expect(container.Ulimits).toEqual([{ Name: 'nofile', SoftLimit: 65_536, HardLimit: 65_536 }])
      expect(container.HealthCheck).toMatchObject({ Command: ['CMD', 'branchline', 'health'], Interval: 30, StartPeriod: 60 })
      expect(container.LogConfiguration.Options).toMatchObject({ mode: 'non-blocking' })
    }
    expect(KEPT_CAPABILITIES).toHaveLength(7)
  })

  it('mounts EFS encrypted, as its role, by its own access point, without changing users', () => {
    for (const [, template] of users()) {
      expect(onlyOne(template, 'AWS::ECS::TaskDefinition').Properties['Volumes'][1].EFSVolumeConfiguration).toMatchObject({
        TransitEncryption: 'ENABLED',
        AuthorizationConfig: { IAM: 'ENABLED', AccessPointId: { Ref: expect.any(String) } },
      })
      const [point, ...more] = ofType(template, 'AWS::EFS::AccessPoint')
      expect(more).toEqual([])
      expect(point!.Properties['PosixUser']).toBeUndefined()
      expect(point!.Properties['RootDirectory'].CreationInfo).toEqual({ OwnerUid: '0', OwnerGid: '0', Permissions: '0755' })
    }
  })

  it('has the size and processor that the file says', () => {
    Template.fromJSON(anna()).hasResourceProperties('AWS::ECS::TaskDefinition', { Cpu: '1024', Memory: '2048', RuntimePlatform: { CpuArchitecture: 'ARM64' } })
    Template.fromJSON(stackOf('three', 'agents-acme-site-anna-48d788f7')).hasResourceProperties('AWS::ECS::TaskDefinition', {
      Cpu: '2048',
      Memory: '8192',
      RuntimePlatform: { CpuArchitecture: 'X86_64' },
    })
  })

  it('knows who it serves, and its secrets are not in its environment', () => {
    expect(environmentOf(anna())).toMatchObject({
      CLIENT_ID: 'acme',
      PROJECT_ID: 'site',
      USER_ID: 'anna',
      PORT: '8080',
      PREVIEW_DOMAIN: 'acme-site-anna.branchline.example.com',
      PUBLIC_URL: 'https://acme-site-anna.branchline.example.com',
      AUTO_SHUTDOWN_MINUTES: '20',
      MAX_COST_USD_PER_DAY: '50',
      ECS_CLUSTER: 'branchline',
      ECS_SERVICE: 'acme-site-anna',
      ISOLATION: 'require',
      SIMULATION: 'false',
      METRICS_EMF: 'true',
      METRICS_NAMESPACE: 'Branchline/branchline',
      DRAIN_SECONDS: '110',
    })
    expect(environmentOf(stackOf('three', KIM))).toMatchObject({
      USER_ID: 'kim@example.com',
      PORT: 'off',
      ASTRO_PORT: 'off',
      AUTO_SHUTDOWN_MINUTES: '0',
      MAX_COST_USD_PER_DAY: '200',
      CLAUDE_CODE_USE_BEDROCK: 'true',
    })
    for (const [, template] of users()) for (const name of Object.keys(environmentOf(template))) expect(name).not.toMatch(/TOKEN|KEY|SECRET|PASSWORD/)
  })
})

it('the service takes what it is told: every variable is one of its own, and together they are a configuration', () => {
  for (const [name, template] of users()) {
    const told = Object.entries(environmentOf(template))
    for (const [variable] of told) expect(Object.keys(VARIABLES), `${name} ${variable}`).toContain(variable)
    const secrets: readonly { readonly Name: string }[] = containerOf(template).Secrets ?? []
    const environment = Object.fromEntries([
      ...told.map(([variable, value]) => [variable, resolved(variable, value)]),
      ...secrets.map(({ Name }) => [Name, 'a-secret-of-some-length']),
    ])
    expect(() => readConfig(environment), name).not.toThrow()
  }
})

it('what the installation sets is what a user may not set', () => {
  const free = new Set(['EGRESS_ALLOW', 'ANTHROPIC_MODEL']) // what an example sets, and what is refused with Bedrock alone
  for (const [name, template] of users()) {
    const secrets: readonly { readonly Name: string }[] = containerOf(template).Secrets ?? []
    for (const variable of [...Object.keys(environmentOf(template)), ...secrets.map(({ Name }) => Name)])
      expect(variable in SET_BY_INSTALLATION, `${name} ${variable}`).toBe(!free.has(variable))
  }
})

it('variables and secrets of a user reach the container, and its execution role may read them', () => {
  const example = exampleOf('three')
  const [user] = example.users.map((each) => ({ ...each, environment: { AGENTS_KEPT: '2' }, secrets: { VAULT_KEY: 'acme/vault-key' } })).slice(0, 1)
  const template = synthesised({ ...example, users: user === undefined ? [] : [user] }).get('agents-acme-site-anna')
  if (template === undefined) throw new Error('there is no such stack')
  expect(environmentOf(template)).toMatchObject({ AGENTS_KEPT: '2', HOST: '0.0.0.0' })
  expect(containerOf(template).Secrets).toEqual([{ Name: 'VAULT_KEY', ValueFrom: expect.anything() }])
  const [, read] = statementsOf(template).find(([, { Sid }]) => Sid === 'Secrets') ?? []
  expect(JSON.stringify(read?.Resource)).toMatch(/secret:acme\/vault-key-\?{6}"/)
})

/** A value as AWS would fill it in. */
function resolved(variable: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (variable.endsWith('_URL')) return `https://sqs.us-east-1.amazonaws.com/123456789012/${variable}.fifo`
  return variable === 'AWS_ACCOUNT_ID' ? '123456789012' : 'table-name'
}

describe('the service', () => {
  it('keeps the count that it has, but where it is always on', () => {
    const counts = users().map(([name, template]) => [name, onlyOne(template, 'AWS::ECS::Service').Properties['DesiredCount']])
    expect(counts.filter(([, count]) => count !== undefined)).toEqual([[KIM, 1]])
  })

  it('stops one task before it starts the next', () => {
    for (const [, template] of users())
      Template.fromJSON(template).hasResourceProperties('AWS::ECS::Service', { DeploymentConfiguration: { MinimumHealthyPercent: 0, MaximumPercent: 100 } })
  })

  it('is woken by a message that waits, and never put to sleep by that', () => {
    const template = Template.fromJSON(anna())
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      MinCapacity: 0,
      MaxCapacity: 1,
      ResourceId: 'service/branchline/acme-site-anna',
    })
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      PolicyType: 'StepScaling',
      StepScalingPolicyConfiguration: { AdjustmentType: 'ExactCapacity', StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }] },
    })
    template.hasResourceProperties('AWS::CloudWatch::Alarm', { AlarmActions: [{ Ref: Match.stringLikeRegexp('^Wake') }], Threshold: 1, Period: 60 })
    for (const name of ['agents-acme-site-anna-48d788f7', KIM]) {
      Template.fromJSON(stackOf('three', name)).resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0) // safetyNet false, alwaysOn
    }
  })
})

describe('queues', () => {
  it('are encrypted, for TLS alone, and keep what they have while a container sleeps', () => {
    for (const [name, template] of users()) {
      const queues = ofType(template, 'AWS::SQS::Queue')
      expect(ofType(template, 'AWS::SQS::QueuePolicy'), name).toHaveLength(queues.length)
      for (const { Properties } of queues)
        expect(Properties).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: Properties['FifoQueue'] === true ? 1_209_600 : 86_400 })
    }
  })

  it('are a FIFO pair with dead letters, which lead there after the service has', () => {
    const queues = ofType(anna(), 'AWS::SQS::Queue')
    expect(queues.map(({ Properties }) => [Properties['QueueName'], Properties['FifoQueue'], Properties['ContentBasedDeduplication']])).toEqual([
      ['branchline-dead-acme-site-anna.fifo', true, false],
      ['branchline-input-acme-site-anna.fifo', true, false],
      ['branchline-output-acme-site-anna.fifo', true, false],
    ])
    expect(queues.flatMap(({ Properties }) => Properties['RedrivePolicy'] ?? [])).toEqual([{ deadLetterTargetArn: expect.anything(), maxReceiveCount: 5 }])
  })

  it('of threads begin with a doorbell, as the service would make it', () => {
    const [, doorbell, ...more] = ofType(stackOf('three', 'agents-acme-site-anna-48d788f7'), 'AWS::SQS::Queue')
    expect(more).toEqual([])
    expect(doorbell?.Properties).toMatchObject({
      QueueName: expect.stringMatching(/^agents-[0-9a-f]{10}-doorbell-acme-site-Anna$/),
      MessageRetentionPeriod: 86_400,
    })
  })
})
