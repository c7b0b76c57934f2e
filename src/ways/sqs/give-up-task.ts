import { setTimeout as delay } from 'node:timers/promises'
import { backOff } from '../../observe/back-off.ts'
import type { Log } from '../../observe/log.ts'
import { messageOf } from '../../observe/text.ts'
import { setDesiredCount, type EcsService } from '../../queues/ecs-service.ts'

const TRIES = 6
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 4000

/**
 * Has ECS run no task of the service any more, because it would start one that has ended anew. A sender puts its message into the queue and
 * then asks for a task: where that came before our own word, its message is found here; where it comes later, its word is the last one.
 * Where nobody can say whether a message is there, one more start is the smaller evil.
 */
export async function giveUpTask(service: EcsService, isAwaited: () => Promise<boolean>, log: Log): Promise<void> {
  try {
    await setDesiredCount(service, 0)
  } catch (error) {
    return log.warn({ event: 'task.not_given_up', service: service.service, error: messageOf(error) }) // ECS starts it again, which ends as this one does
  }
  if (await isAwaited().catch(() => true)) await askForTask(service, log)
}

async function askForTask(service: EcsService, log: Log): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await setDesiredCount(service, 1)
    } catch (error) {
      if (tries === TRIES) return log.error({ event: 'task.not_asked_for', service: service.service, error: messageOf(error) }) // the next message does
      await delay(backOff(tries, FIRST_RETRY_MS, LONGEST_RETRY_MS))
    }
  }
}
