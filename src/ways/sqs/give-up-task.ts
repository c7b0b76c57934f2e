import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'
import { setDesiredCount, type EcsService } from '../../queues/ecs-service.ts'

/**
 * Has ECS run no task of the service any more, because it would start one that has ended anew. A sender puts its message into the queue and
 * then asks for a task: where that came before our own word, its message is found here; where it comes later, its word is the last one.
 */
export async function giveUpTask(service: EcsService, isAwaited: () => Promise<boolean>, log: Log): Promise<void> {
  try {
    await setDesiredCount(service, 0)
    if (await isAwaited()) await setDesiredCount(service, 1)
  } catch (error) {
    log.warn({ event: 'task.not_given_up', service: service.service, error: messageOf(error) }) // ECS starts it again, which ends as this one does
  }
}
