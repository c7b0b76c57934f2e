import { App, Tags, Validations, type StackProps } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { FoundationStack } from './foundation.ts'
import type { Installation } from './installation.ts'
import { prioritiesOf, slugOf } from './names.ts'
import { RegistryStack } from './registry.ts'
import { UserStack } from './user.ts'

/** Behaviour of the CDK that is right for what begins with it. */
const FLAGS = {
  '@aws-cdk/core:validateAgainstDefaultRules': true, // what CloudFormation would refuse is an error when it is synthesised
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/aws-ecs:arnFormatIncludesClusterName': true,
  '@aws-cdk/aws-ecs:disableExplicitDeploymentControllerForCircuitBreaker': true,
  '@aws-cdk/aws-ecs:removeDefaultDeploymentAlarm': true,
  '@aws-cdk/aws-efs:mountTargetOrderInsensitiveLogicalId': true,
  '@aws-cdk/aws-s3:createDefaultLoggingPolicy': true,
}

export interface Stacks {
  readonly app: App
  readonly registry: RegistryStack
  readonly foundation: FoundationStack
  readonly users: readonly UserStack[]
}

/** The stacks of an installation, checked by cdk-nag and against CloudFormation's schemas when they are synthesised. */
export function stacksOf(installation: Installation, outdir?: string): Stacks {
  const app = new App({ context: FLAGS, analyticsReporting: false, treeMetadata: false, ...(outdir === undefined ? {} : { outdir }) })
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  const { name, region, account } = installation
  const props: StackProps = { env: { region, ...(account === undefined ? {} : { account }) } }
  const registry = new RegistryStack(app, `${name}-registry`, { ...props, description: 'Branchline: its image' })
  const foundation = new FoundationStack(app, `${name}-foundation`, installation, { ...props, description: 'Branchline: what all users share' })
  const slugs = installation.users.map(slugOf)
  const priorities = prioritiesOf(slugs)
  const users = installation.users.map((user, at) => {
    const slug = slugs[at] ?? slugOf(user)
    const parts = { installation, user, slug, priority: priorities.get(slug) ?? 1, foundation, repository: registry.repository }
    return new UserStack(app, `${name}-${slug}`, parts, { ...props, description: `Branchline: ${user.clientId}, ${user.projectId}, ${user.userId}` })
  })
  Tags.of(app).add('application', name)
  return { app, registry, foundation, users }
}
