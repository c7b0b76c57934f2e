import { forCalls } from './aws.ts'

/** The ECS service that runs the container of a user and project. */
export interface EcsService {
  readonly cluster: string
  readonly service: string
  readonly region?: string | undefined
}

/** Says how many tasks of a service are to run: one, or none. To say what holds already changes nothing. */
export async function setDesiredCount({ cluster, service, region }: EcsService, desiredCount: 0 | 1): Promise<void> {
  const { ECSClient, UpdateServiceCommand } = await import('@aws-sdk/client-ecs')
  const client = new ECSClient(forCalls(region))
  try {
    await client.send(new UpdateServiceCommand({ cluster, service, desiredCount }))
  } finally {
    client.destroy()
  }
}
