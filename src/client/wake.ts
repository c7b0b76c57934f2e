import { setDesiredCount, type EcsService } from '../queues/ecs-service.ts'

export type { EcsService }

/** Starts the container of an ECS service that has stopped; does nothing where it runs. Give it to `connect` as `wake`. */
export const wakeService =
  (service: EcsService): (() => Promise<void>) =>
  () =>
    setDesiredCount(service, 1)
