import type { CommandId, ThreadId, WorkspaceId } from '../../../command/ids.ts'
import type { Desk } from '../desk.ts'
import { workspaceOf } from '../threads.ts'
import { toldOf, type Options } from './door.ts'
import { readEvent, type Message } from './event.ts'
import { commandIdOf, threadIdFor } from './hand-in.ts'

/** An issue that is to be worked on, and the command that this will be. */
export interface Vouched {
  readonly workspace: WorkspaceId
  readonly commandId: CommandId
  readonly threadId: ThreadId
  /** Records it, durably; false where this service has a newer owner. */
  readonly record: () => Promise<boolean>
}

/** The issue in a payload; `undefined` where it holds none. */
export function issueIn(payload: Readonly<Record<string, unknown>>): Message | undefined {
  const event = readEvent('issues', { action: 'opened', ...payload })
  return event?.kind === 'message' ? event : undefined
}

/** How an issue is known in the inbox for which somebody vouches. */
export const vouchedId = (commandId: string): string => `vouched ${commandId}`

/** An issue for which somebody else vouches than its signature. Nothing is recorded before `record`. */
export async function vouch(event: Message, options: Options, desk: Pick<Desk, 'journal' | 'threads' | 'fixed'>): Promise<Vouched> {
  const workspace = workspaceOf(event.repository, desk.fixed)
  const known = await desk.threads.ofNumber(workspace, event.repository, event.number)
  const record = async (): Promise<boolean> => {
    const id = vouchedId(commandIdOf(event))
    const told = toldOf(id, { event, vouched: options }, Date.now())
    return (await desk.journal.inbox.put({ ...told, meaning: id })) !== 'lost' // GitHub may have told of it, by somebody who may not ask
  }
  return { workspace, commandId: commandIdOf(event), threadId: threadIdFor(event, known), record }
}
