import { Client, type HttpOptions } from './client/http.ts'
import type { QueueClient, QueueOptions } from './client/queues.ts'

export { Client, ServiceSaid, type AppConfig, type DeadLetter, type HttpOptions, type Message, type ThreadSummary } from './client/http.ts'
export type { QueueClient, QueueMessage, QueueOptions } from './client/queues.ts'
export { wakeService, type EcsService } from './client/wake.ts'
export type { RunEvent } from './command/event.ts'
export type { Result } from './command/result.ts'

/**
 * The sending side, for a chat or mail front end: by HTTP, or by queues of SQS.
 *
 * ```ts
 * const branchline = await connect({ table: 'queues', clientId: 'acme', projectId: 'site', userId: 'anna' })
 * const result = await branchline.send({ threadId: 'chat-7', commandId: 'message-1', instruction: 'Make the headline friendlier' })
 * ```
 *
 * A message that is sent again under the same `commandId`, after a crash of the sender for one, is done once and gives the same result.
 */
export function connect(options: HttpOptions): Promise<Client>
export function connect(options: QueueOptions): Promise<QueueClient>
export async function connect(options: HttpOptions | QueueOptions): Promise<Client | QueueClient> {
  if ('url' in options) return new Client(options)
  const { openQueueClient } = await import('./client/queues.ts') // what speaks to AWS is loaded only where it is needed
  return openQueueClient(options)
}
