import { Validations } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

/** Says of a finding of cdk-nag, such as `AwsSolutions-SMG4`, why it is right as it is. It counts for a construct and what is in it. */
export const accept = (construct: IConstruct, id: string, reason: string): void => Validations.of(construct).acknowledge({ id, reason })
