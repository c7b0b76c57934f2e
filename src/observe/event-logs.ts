import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { RunEvent } from '../command/event.ts'
import { threadKey, type ThreadKey, type ThreadRef } from '../command/ids.ts'
import { EventLog } from './event-log.ts'
import type { Redact } from './redact.ts'

/** The event logs of all threads, each opened when it is first asked for; `hear` is told what happens in any of them. */
export function eventLogs(folder: string, epoch: number, redact: Redact, hear: (ref: ThreadRef, event: RunEvent) => void): (ref: ThreadRef) => EventLog {
  const logs = new Map<ThreadKey, EventLog>()
  return (ref) => {
    const key = threadKey(ref)
    const known = logs.get(key)
    if (known !== undefined) return known
    const made = new EventLog(join(folder, createHash('sha256').update(key).digest('hex')), ref.threadId, epoch, redact)
    const { clientId, userId, projectId, threadId } = ref
    made.listen((event) => hear({ clientId, userId, projectId, threadId }, event))
    logs.set(key, made)
    return made
  }
}
