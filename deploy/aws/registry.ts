import { CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { Repository, TagMutability } from 'aws-cdk-lib/aws-ecr'
import type { Construct } from 'constructs'
import { REGISTRY_OUTPUT } from './outputs.ts'

const IMAGES_KEPT = 20

/** Where the image is; a stack of its own, since the image has to be there before a task can be started. */
export class RegistryStack extends Stack {
  readonly repository: Repository

  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, props)
    this.repository = new Repository(this, 'Images', {
      imageScanOnPush: true,
      imageTagMutability: TagMutability.IMMUTABLE, // what runs under a tag is what was pushed under it
      lifecycleRules: [{ description: `the last ${IMAGES_KEPT} are kept`, maxImageCount: IMAGES_KEPT }],
      removalPolicy: RemovalPolicy.RETAIN,
    })
    new CfnOutput(this, REGISTRY_OUTPUT, { value: this.repository.repositoryUri, description: 'Where the image is pushed to.' })
  }
}
