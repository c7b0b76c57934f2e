import { Match, Template } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { anna, everyStack, KIM, ofType, onlyOne, stackOf, statementsOf, users, type Statement, type SynthesisedTemplate } from './testing.ts'

const containerOf = (template: SynthesisedTemplate) => onlyOne(template, 'AWS::ECS::TaskDefinition').Properties['ContainerDefinitions'][0]
const roleStatement = (template: SynthesisedTemplate, sid: string): Statement | undefined => statementsOf(template).find(([, { Sid }]) => Sid === sid)?.[1]
const ANNA_UPPER = () => stackOf('three', 'agents-acme-site-anna-48d788f7')

describe('rights', () => {
  it('name no wildcard but where AWS leaves no other way', () => {
    const wild = everyStack().flatMap(([, template]) =>
      statementsOf(template)
        .filter(([, { Resource, Action }]) => /[*?]/.test(JSON.stringify([Resource, Action]).replaceAll('AWS::', '')))
        .map(([, { Sid = '' }]) => Sid),
    )
    // An ECR login takes no resource; ids of tasks and the region of a profile's model are AWS's choice; a secret that is named and not
    // made here ends in six characters of AWS; queues of threads are made later. Tests below look closer at each.
    expect([...new Set(wild)].toSorted((a, b) => a.localeCompare(b))).toEqual([
      'Login',
      'ModelOfProfile',
      'ProtectOwnTask',
      'Secrets',
      'SendMessages',
      'SendResults',
      'TakeMessages',
      'TakeResults',
    ])
  })

  it('allow no action by a pattern', () => {
    for (const [, template] of everyStack()) {
      for (const [id, { Action, Effect }] of statementsOf(template)) {
        expect(Effect).toBe('Allow')
        for (const action of [Action].flat()) expect(action, id).not.toContain('*')
      }
    }
  })

  it('of a container reach its own items, files, queues and service alone', () => {
    expect(roleStatement(anna(), 'OwnJournal')).toMatchObject({
      Condition: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['acme-site-anna'] }, Null: { 'dynamodb:LeadingKeys': 'false' } },
    })
    const own = Object.keys(anna().Resources).find((id) => anna().Resources[id]!.Type === 'AWS::EFS::AccessPoint')
    expect(roleStatement(anna(), 'OwnWorkspace')?.Condition).toEqual({
      StringEquals: {
        'elasticfilesystem:AccessPointArn': {
          'Fn::Join': ['', expect.arrayContaining([[expect.anything(), expect.anything(), expect.stringMatching(/access-point\/$/), { Ref: own }]].flat())],
        },
      },
    })
    expect(JSON.stringify(roleStatement(anna(), 'StopOwnService')?.Resource)).toMatch(/:service\/branchline\/acme-site-anna"/)
    for (const sid of ['StopOwnService', 'Wake']) {
      expect(roleStatement(anna(), sid)?.Condition, sid).toEqual({
        ArnLikeIfExists: { 'ecs:task-definition': { 'Fn::Join': ['', expect.arrayContaining([':task-definition/branchline-acme-site-anna:*'])] } },
        StringEqualsIfExists: { 'ecs:enable-execute-command': 'false' },
      })
    }
    expect(roleStatement(anna(), 'ProtectOwnTask')?.Condition).toEqual({ StringEquals: { 'aws:ResourceTag/branchline:service': 'acme-site-anna' } })
    Template.fromJSON(anna()).hasResourceProperties('AWS::ECS::Service', {
      PropagateTags: 'SERVICE',
      Tags: Match.arrayWith([{ Key: 'branchline:service', Value: 'acme-site-anna' }]),
    })
  })

  it('of a container are these and no more', () => {
    const actions = (sids: RegExp) =>
      statementsOf(anna())
        .filter(([id]) => sids.test(id))
        .flatMap(([, { Action }]) => Action)
        .toSorted()
    expect(actions(/^TaskRole/)).toEqual(
      [
        ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'SendMessage'].map((action) => `sqs:${action}`),
        ...['Query', 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'].map((action) => `dynamodb:${action}`),
        ...['ClientMount', 'ClientWrite', 'ClientRootAccess'].map((action) => `elasticfilesystem:${action}`),
        'ecs:UpdateService',
        'ecs:UpdateTaskProtection',
      ].toSorted(),
    )
    expect(actions(/^Sender/)).toEqual(['ecs:UpdateService', 'sqs:DeleteMessage', 'sqs:ReceiveMessage', 'sqs:SendMessage'])
  })

  it('reach the profile that is named, and the model behind it by that profile', () => {
    for (const [, template] of users().filter(([name]) => name.startsWith('agents-'))) {
      const models = statementsOf(template).filter(([, { Action }]) => JSON.stringify(Action).includes('bedrock:'))
      expect(JSON.stringify(models.map(([, { Resource }]) => Resource))).toMatch(
        /inference-profile\/eu\.anthropic\.claude-sonnet-4-5-20250929-v1:0.*:bedrock:\*::foundation-model\/anthropic\.claude-sonnet-4-5-20250929-v1:0/s,
      )
      expect(JSON.stringify(models[1]![1].Condition)).toContain('bedrock:InferenceProfileArn')
    }
    expect(JSON.stringify(anna())).not.toContain('bedrock')
  })

  it('to queues of threads are to those of one user, by a prefix of its own, and to its own rows', () => {
    const { prefix } = /"(?<prefix>agents-[0-9a-f]{10})"/.exec(JSON.stringify(containerOf(ANNA_UPPER()).Environment))?.groups ?? {}
    expect(prefix).toBeDefined()
    const reached = (sid: string) => JSON.stringify(roleStatement(ANNA_UPPER(), sid)?.Resource).match(/:sqs:eu-central-1:123456789012:[^"]+/g)
    expect(reached('TakeMessages')).toEqual([`:sqs:eu-central-1:123456789012:${prefix}-input-*`])
    expect(reached('SendResults')).toEqual([`:sqs:eu-central-1:123456789012:${prefix}-output-*`])
    for (const sid of ['OwnRows', 'Rows', 'OwnJournal']) {
      expect(roleStatement(ANNA_UPPER(), sid)?.Condition, sid).toEqual({
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['acme-site-Anna'] },
        Null: { 'dynamodb:LeadingKeys': 'false' },
      })
    }
    // Nobody else's queues begin so.
    const others = everyStack().filter(([, template]) => template !== ANNA_UPPER())
    for (const [name, template] of others) expect(JSON.stringify(template), name).not.toContain(`${prefix}`)
    expect(JSON.stringify(anna())).not.toMatch(/QUEUE_TABLE|CreateQueue/) // a pair of queues needs none of it
  })

  it('to secrets end at those of the container itself', () => {
    const readable = [roleStatement(anna(), 'Secrets')?.Resource].flat()
    expect(readable).toHaveLength(3)
    expect(JSON.stringify(readable)).toMatch(/secret:acme\/github-token-\?{6}"/)
    expect(containerOf(anna()).Secrets.map(({ Name }: { Name: string }) => Name)).toEqual(['ANTHROPIC_API_KEY', 'API_TOKEN', 'GITHUB_TOKEN'])
    expect(roleStatement(stackOf('three', KIM), 'Secrets')).toBeUndefined() // Bedrock, no domain, no repository
  })

  it('are given to tasks of this account alone', () => {
    for (const [, template] of users()) {
      for (const { Properties } of ofType(template, 'AWS::IAM::Role')) {
        expect(Properties['AssumeRolePolicyDocument'].Statement).toEqual([
          {
            Action: 'sts:AssumeRole',
            Effect: 'Allow',
            Principal: { Service: 'ecs-tasks.amazonaws.com' },
            Condition: { StringEquals: { 'aws:SourceAccount': expect.anything() } },
          },
        ])
      }
    }
  })
})
