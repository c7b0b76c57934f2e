import { Stack, Token } from 'aws-cdk-lib'
import type { AccessPoint } from 'aws-cdk-lib/aws-efs'
import { Effect, ManagedPolicy, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'
import { accept } from './accept.ts'
import type { FoundationStack } from './foundation.ts'
import type { Installation } from './installation.ts'
import type { Storage } from './storage.ts'
import type { PerThread, UserQueues } from './user-queues.ts'

/** The tag by which a task may protect itself, and no task of another user. */
export const SERVICE_TAG = 'branchline:service'

export interface Owned {
  readonly queues: UserQueues
  readonly accessPoint: AccessPoint
  /** `{client}-{project}-{user}`, the key of the user's items. */
  readonly containerId: string
  readonly clusterName: string
  readonly serviceName: string
  /** Of its task definitions. */
  readonly family: string
}

/** A description of a policy has 1,000 characters at most. */
const SHOWN = 300

const allow = (sid: string, actions: string[], resources: string[], conditions?: PolicyStatement['conditions']): PolicyStatement =>
  new PolicyStatement({ sid, effect: Effect.ALLOW, actions, resources, ...(conditions === undefined ? {} : { conditions }) })

const serviceArn = (scope: Construct, { clusterName, serviceName }: Owned): string =>
  Stack.of(scope).formatArn({ service: 'ecs', resource: 'service', resourceName: `${clusterName}/${serviceName}` })

/**
 * Sets the desired count of the service, and neither gives it the task definition of another nor opens a shell in its tasks. ECS need not
 * say of a call that leaves these two as they are what they are. There is no condition for the count itself: IAM cannot bound it.
 */
function allowCounting(scope: Construct, sid: string, owned: Owned): PolicyStatement {
  const family = Stack.of(scope).formatArn({ service: 'ecs', resource: 'task-definition', resourceName: `${owned.family}:*` })
  return allow(sid, ['ecs:UpdateService'], [serviceArn(scope, owned)], {
    ArnLikeIfExists: { 'ecs:task-definition': family },
    StringEqualsIfExists: { 'ecs:enable-execute-command': 'false' },
  })
}

interface Where {
  readonly service: string
  readonly region?: string
  readonly account?: string
  readonly resource: string
}

/** Says of one resource with a wildcard, as cdk-nag writes it, why AWS leaves no other way. */
function acceptWildcard(
  construct: Role | ManagedPolicy,
  { service, resource, region = construct.stack.region, account = construct.stack.account }: Where,
  reason: string,
): void {
  const shown = Token.isUnresolved(account) ? '<AWS::AccountId>' : account
  accept(construct, `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:${service}:${region}:${shown}:${resource}]`, reason)
}

/** What ECS alone may act for, in this account. */
const tasksOf = (scope: Construct): ServicePrincipal =>
  new ServicePrincipal('ecs-tasks.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } } })

/** Items of one container. A request that names no key at all would pass the first condition alone. */
const underKey = (containerId: string): PolicyStatement['conditions'] => ({
  'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [containerId] },
  Null: { 'dynamodb:LeadingKeys': 'false' },
})

const THREAD_QUEUES = 'Queues of threads are made when a thread begins; the prefix holds a hash of the user and is that of no other.'
const threadQueue = (scope: Construct, { prefix }: PerThread, use: 'input' | 'output'): string =>
  Stack.of(scope).formatArn({ service: 'sqs', resource: `${prefix}-${use}-*` })

/** How messages come to the container and results leave it. */
function takingStatements(scope: Construct, { queues: table }: Storage, { queues, containerId }: Owned): readonly PolicyStatement[] {
  const take = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes']
  if (queues.kind === 'pair') {
    return [allow('TakeMessages', take, [queues.input.queueArn]), allow('SendResults', ['sqs:SendMessage'], [queues.output.queueArn, queues.dead.queueArn])]
  }
  return [
    allow('TakeMessages', take, [threadQueue(scope, queues, 'input')]),
    allow('SendResults', ['sqs:SendMessage'], [threadQueue(scope, queues, 'output'), queues.dead.queueArn]),
    // CreateQueue of what is there, and as it is asked for, answers its address.
    allow('HearKnocks', ['sqs:CreateQueue', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'], [queues.doorbell.queueArn]),
    allow('OwnRows', ['dynamodb:Query', 'dynamodb:GetItem', 'dynamodb:PutItem'], [table.tableArn], underKey(containerId)),
  ]
}

/** How the other side hands messages in and takes results. */
function sendingStatements(scope: Construct, { queues: table }: Storage, { queues, containerId }: Owned): PolicyStatement[] {
  if (queues.kind === 'pair') {
    return [
      allow('SendMessages', ['sqs:SendMessage'], [queues.input.queueArn]),
      allow('TakeResults', ['sqs:ReceiveMessage', 'sqs:DeleteMessage'], [queues.output.queueArn]),
    ]
  }
  return [
    allow('SendMessages', ['sqs:CreateQueue', 'sqs:SendMessage'], [threadQueue(scope, queues, 'input')]),
    allow('TakeResults', ['sqs:CreateQueue', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'], [threadQueue(scope, queues, 'output')]),
    allow('Knock', ['sqs:SendMessage'], [queues.doorbell.queueArn]),
    allow('Rows', ['dynamodb:GetItem', 'dynamodb:PutItem'], [table.tableArn], underKey(containerId)),
  ]
}

/** What the container of one user may do: with its own queues, items, files and service, and its own models; nothing besides. */
export function taskRoleOf(scope: Construct, { storage }: FoundationStack, model: Installation['model'], owned: Owned): Role {
  const { queues, accessPoint, containerId, clusterName, serviceName } = owned
  const stack = Stack.of(scope)
  const statements = [
    ...takingStatements(scope, storage, owned),
    allow(
      'OwnJournal',
      ['Query', 'GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'].map((action) => `dynamodb:${action}`),
      [storage.journal.tableArn],
      underKey(containerId),
    ),
    allow(
      'OwnWorkspace',
      ['elasticfilesystem:ClientMount', 'elasticfilesystem:ClientWrite', 'elasticfilesystem:ClientRootAccess'],
      [storage.files.fileSystemArn],
      { StringEquals: { 'elasticfilesystem:AccessPointArn': accessPoint.accessPointArn } },
    ),
    allowCounting(scope, 'StopOwnService', owned),
    // The id of a task is known when it runs. The tag comes from the service.
    allow('ProtectOwnTask', ['ecs:UpdateTaskProtection'], [stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${clusterName}/*` })], {
      StringEquals: { [`aws:ResourceTag/${SERVICE_TAG}`]: serviceName },
    }),
    ...modelStatements(stack, model),
  ]
  const role = new Role(scope, 'TaskRole', { assumedBy: tasksOf(scope), inlinePolicies: { Container: new PolicyDocument({ statements }) } })
  acceptWildcard(
    role,
    { service: 'ecs', resource: `task/${clusterName}/*` },
    'ECS gives a task its id when it starts it; a tag narrows this to the tasks of this service.',
  )
  if (queues.kind === 'per-thread') {
    for (const use of ['input', 'output']) acceptWildcard(role, { service: 'sqs', resource: `${queues.prefix}-${use}-*` }, THREAD_QUEUES)
  }
  const reached = model.kind === 'bedrock' ? behindProfile(model.model) : undefined
  if (reached !== undefined) {
    const where = { service: 'bedrock', region: '*', account: '', resource: `foundation-model/${reached}` }
    acceptWildcard(role, where, 'Bedrock chooses the region of the model among those of the inference profile; without that profile it is not allowed.')
  }
  return role
}

/** Prefixes of inference profiles, which Bedrock spreads over regions. */
const PROFILE = /^(?:us-gov|us|eu|apac|jp|au|ca|global)\.(.+)$/

/** The model that an inference profile such as `us.anthropic.…` reaches; `undefined` for the id of a model. */
const behindProfile = (id: string): string | undefined => PROFILE.exec(id)?.[1]

function modelStatements(stack: Stack, model: Installation['model']): PolicyStatement[] {
  if (model.kind === 'anthropic') return []
  const actions = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream']
  const modelArn = (id: string, region: string): string =>
    stack.formatArn({ service: 'bedrock', region, account: '', resource: 'foundation-model', resourceName: id })
  const reached = behindProfile(model.model)
  if (reached === undefined) return [allow('Model', actions, [modelArn(model.model, stack.region)])]
  const profile = stack.formatArn({ service: 'bedrock', resource: 'inference-profile', resourceName: model.model })
  return [
    allow('Profile', actions, [profile]),
    allow('ModelOfProfile', actions, [modelArn(reached, '*')], { StringEquals: { 'bedrock:InferenceProfileArn': profile } }),
  ]
}

/** What a front end needs that sends to this user: hand in, take results, start the service. It is attached to the front end's own role. */
export function senderPolicyOf(scope: Construct, { storage }: FoundationStack, managedPolicyName: string, owned: Owned): ManagedPolicy {
  const policy = new ManagedPolicy(scope, 'Sender', {
    managedPolicyName,
    description: `Sends messages to ${owned.containerId.slice(0, SHOWN)}, takes the results and wakes the container`,
    statements: [...sendingStatements(scope, storage, owned), allowCounting(scope, 'Wake', owned)],
  })
  const { queues } = owned
  if (queues.kind === 'per-thread') {
    for (const use of ['input', 'output']) acceptWildcard(policy, { service: 'sqs', resource: `${queues.prefix}-${use}-*` }, THREAD_QUEUES)
  }
  return policy
}

export interface Started {
  readonly repositoryArn: string
  readonly logGroupArn: string
  /** Of its environment: ARNs. */
  readonly secrets: readonly string[]
}

/** What ECS does before the container runs: pull its image, write its log, read its secrets. */
export function executionRoleOf(scope: Construct, { repositoryArn, logGroupArn, secrets }: Started): Role {
  const statements = [
    allow('Login', ['ecr:GetAuthorizationToken'], ['*']),
    allow('Pull', ['ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchGetImage'], [repositoryArn]),
    allow('Log', ['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroupArn]),
    ...(secrets.length === 0 ? [] : [allow('Secrets', ['secretsmanager:GetSecretValue'], [...secrets])]),
  ]
  const role = new Role(scope, 'ExecutionRole', { assumedBy: tasksOf(scope), inlinePolicies: { Start: new PolicyDocument({ statements }) } })
  accept(
    role,
    'AwsSolutions-IAM5[Resource::*]',
    'ecr:GetAuthorizationToken takes no resource (service authorization reference of ECR); it gives no right to any repository.',
  )
  return role
}
