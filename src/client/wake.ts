import { forCalls } from '../queues/aws.ts'

/** The ECS service that runs the container of a user and project. */
export interface EcsService {
  readonly cluster: string
  readonly service: string
  readonly region?: string | undefined
}

/** Starts the container of an ECS service that has stopped; does nothing where it runs. Give it to `connect` as `wake`. */
export function wakeService({ cluster, service, region }: EcsService): () => Promise<void> {
  return async () => {
    const { ECSClient, UpdateServiceCommand } = await import('@aws-sdk/client-ecs')
    const client = new ECSClient(forCalls(region))
    try {
      await client.send(new UpdateServiceCommand({ cluster, service, desiredCount: 1 }))
    } finally {
      client.destroy()
    }
  }
}
