import type { ThreadRef } from '../command/ids.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import type { Slot } from '../process/end-all.ts'
import type { Names } from '../workspace/paths.ts'
import type { Tools } from './tools.ts'

export const slotOf = (record: ThreadRecord, tools: Tools): Slot => ({ slot: record.slot, identity: tools.identities.agent(record.slotNumber) })

/** What the ids of a thread are called on disk; told apart where they differ only in letter case. */
export async function namesOf(ref: ThreadRef, { journal }: Pick<Tools, 'journal'>): Promise<Names> {
  const { clientId, userId, projectId, threadId } = ref
  return {
    client: await journal.nameFor('clients', clientId),
    user: await journal.nameFor(`users of ${clientId}`, userId),
    project: await journal.nameFor(`projects of ${clientId}/${userId}`, projectId),
    thread: await journal.nameFor(`threads of ${clientId}/${userId}/${projectId}`, threadId),
  }
}
