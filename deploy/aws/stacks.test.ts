import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CfnResource } from 'aws-cdk-lib'
import { Peer, Port } from 'aws-cdk-lib/aws-ec2'
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { describe, expect, it } from 'vitest'
import { parseInstallation } from './installation.ts'
import { stacksOf, type Stacks } from './stacks.ts'
import { anna, everyStack, exampleOf, ofType, onlyOne, synthesised, templatesOf, type Example, type SynthesisedTemplate } from './testing.ts'

describe('the stacks', () => {
  it('carry whose they are, for the bill', () => {
    const tags = onlyOne(anna(), 'AWS::ECS::Service').Properties['Tags']
    expect(tags).toEqual(
      expect.arrayContaining([
        { Key: 'client', Value: 'acme' },
        { Key: 'project', Value: 'site' },
        { Key: 'user', Value: 'anna' },
        { Key: 'application', Value: 'branchline' },
      ]),
    )
  })

  it('stay far below the 500 resources that CloudFormation takes', () => {
    for (const [name, { Resources }] of everyStack()) expect(Object.keys(Resources).length, name).toBeLessThan(80)
  })

  it('hold together for ids that look alike, are long, or have dots in them', () => {
    const long = 'x'.repeat(128)
    const ids = [
      ['acme', 'site', 'Anna'],
      ['Acme', 'site', 'Anna'],
      ['acme', 'site', 'a.b'],
      ['acme', 'site', 'a_b'],
      ['acme', 'site', 'a@b'],
      [long, long, long],
      [long, long, `${long.slice(1)}y`],
    ]
    const installation = parseInstallation(
      JSON.stringify({
        region: 'us-east-1',
        domain: 'b.example.com',
        hostedZoneId: 'Z1',
        hostedZoneName: 'example.com',
        model: { kind: 'anthropic' },
        users: ids.map(([clientId, projectId, userId]) => ({ clientId, projectId, userId })),
      }),
    )
    const templates = synthesised(installation)
    expect(templates.size).toBe(ids.length + 2)
    const all = [...templates.values()]
    const unique = (type: string, property: string) => {
      const names = all.flatMap((template) => ofType(template, type).map(({ Properties }) => JSON.stringify(Properties[property])))
      expect(new Set(names).size, `${type} ${property}`).toBe(names.length)
      return names
    }
    expect(unique('AWS::SQS::Queue', 'QueueName')).toHaveLength(3 * ids.length)
    unique('AWS::ECS::Service', 'ServiceName')
    unique('AWS::ECS::TaskDefinition', 'Family')
    unique('AWS::EFS::AccessPoint', 'RootDirectory')
    unique('AWS::IAM::ManagedPolicy', 'ManagedPolicyName')
    unique('AWS::ElasticLoadBalancingV2::ListenerRule', 'Priority')
    for (const name of templates.keys()) expect(name).toMatch(/^[A-Za-z][A-Za-z0-9-]{0,127}$/)
  })
})

describe('what is planted is found when the templates are made', () => {
  const synthesise = (change: (stacks: Stacks) => void) => () => {
    const outdir = mkdtempSync(join(tmpdir(), 'branchline-cdk-'))
    try {
      const stacks = stacksOf(exampleOf('one'), outdir)
      change(stacks)
      stacks.app.synth()
    } finally {
      rmSync(outdir, { recursive: true, force: true })
    }
  }

  it('a door to everybody, by cdk-nag', () => {
    expect(synthesise(({ foundation }) => foundation.network.tasks.addIngressRule(Peer.anyIpv4(), Port.tcp(22)))).toThrow('AwsSolutions-EC23')
  })

  it('a right to everything, by cdk-nag', () => {
    const everything = new PolicyStatement({ actions: ['s3:*'], resources: ['*'] })
    const plant = ({ foundation }: Stacks): void =>
      void new Role(foundation, 'Planted', {
        assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
        inlinePolicies: { All: new PolicyDocument({ statements: [everything] }) },
      })
    expect(synthesise(plant)).toThrow('AwsSolutions-IAM5[Action::s3:*]')
  })

  it('a property that CloudFormation does not know, by its own schemas', () => {
    const plant = ({ registry }: Stacks): void => void new CfnResource(registry, 'Planted', { type: 'AWS::SQS::Queue', properties: { Length: 80 } })
    expect(synthesise(plant)).toThrow('Additional properties are not allowed')
  })
})

/**
 * The templates of both examples, as they are kept. A change of them is a change of what operators have: look at the difference, then
 * take it by `npx vitest run --project aws -u`.
 */
it.each<Example>(['one', 'three'])('the example with %s makes the templates that are kept', async (example) => {
  for (const [name, template] of templatesOf(example)) await expect(normalised(template)).toMatchFileSnapshot(`snapshots/${name}.snap`)
})

/** Without tags, which are on everything, and with hashes of assets by one word, so that a new version of the CDK is no difference. */
function normalised({ Resources, Outputs }: SynthesisedTemplate): string {
  const untagged = JSON.stringify({ Resources, Outputs }, (key, value: unknown) => (key.endsWith('Tags') && Array.isArray(value) ? undefined : value), 1)
  return `${untagged.replaceAll(/[0-9a-f]{64}/g, 'ASSET')}\n`
}
