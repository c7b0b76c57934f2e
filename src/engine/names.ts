import type { ThreadRef, WorkspaceId } from '../command/ids.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import type { Slot } from '../process/end-all.ts'
import type { Names } from '../workspace/paths.ts'
import type { Tools } from './tools.ts'

export const slotOf = (record: Pick<ThreadRecord, 'slot' | 'slotNumber'>, tools: Tools): Slot => ({
  slot: record.slot,
  identity: tools.identities.agent(record.slotNumber),
})

/** What its preview runs as. */
export const previewSlot = (record: Pick<ThreadRecord, 'slot' | 'slotNumber'>, tools: Tools): Slot => ({
  slot: `${record.slot}.preview`,
  identity: tools.identities.preview(record.slotNumber),
})

/** What the ids of a thread are called on disk; told apart where they differ only in letter case. */
export async function namesOf(ref: ThreadRef, tools: Pick<Tools, 'journal'>): Promise<Names> {
  const { clientId, userId, projectId, threadId } = ref
  return { ...(await workspaceNames(ref, tools)), thread: await tools.journal.nameFor(`threads of ${clientId}/${userId}/${projectId}`, threadId) }
}

/** The same of a workspace; no thread. */
export async function workspaceNames({ clientId, userId, projectId }: WorkspaceId, { journal }: Pick<Tools, 'journal'>): Promise<Omit<Names, 'thread'>> {
  return {
    client: await journal.nameFor('clients', clientId),
    user: await journal.nameFor(`users of ${clientId}`, userId),
    project: await journal.nameFor(`projects of ${clientId}/${userId}`, projectId),
  }
}
