import { createHash } from 'node:crypto'
import type { WorkspaceId } from '../command/ids.ts'

/** `{client}-{project}-{user}`, under which a container is known in tables and by its queues. */
export const containerIdOf = ({ clientId, projectId, userId }: WorkspaceId): string => `${clientId}-${projectId}-${userId}`

/** Names of SQS queues have at most 80 characters, with `.fifo` at their end. */
const MAX_NAME = 75
const HASH_LENGTH = 10

/**
 * `{prefix}-{use}-{client}-{project}-{user}`, for a thread's own queue with `-{thread}` behind it. Where an id holds what SQS does not
 * allow in a name, or all of it is too long, a hash tells it apart; and where dashes would let queues of two threads share a name.
 */
export function queueName(prefix: string, use: 'input' | 'output' | 'doorbell', parts: readonly string[], fifo: boolean): string {
  const whole = [prefix, use, ...parts].join('-')
  const plain = whole.replaceAll(/[^A-Za-z0-9_-]/g, '_')
  const hash = createHash('sha256')
    .update(JSON.stringify([use, ...parts]))
    .digest('hex')
    .slice(0, HASH_LENGTH)
  const ambiguous = parts.length > 3 && parts.some((part) => part.includes('-'))
  const fits = plain === whole && whole.length <= MAX_NAME && !ambiguous
  return `${fits ? whole : `${plain.slice(0, MAX_NAME - HASH_LENGTH - 1)}-${hash}`}${fifo ? '.fifo' : ''}`
}
