import type { CommandRecord } from '../journal/journal.ts'
import type { Tools } from './tools.ts'

/** What became of a command at the door. */
export type Acceptance =
  | { readonly kind: 'accepted' | 'duplicate'; readonly record: CommandRecord }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'closed' }
  /** The disk is full: what it would do could not be kept. */
  | { readonly kind: 'full' }
  /** Too many results cannot be delivered. */
  | { readonly kind: 'backlog' }

/** Results that may wait for their delivery; with more nothing is accepted. */
const MAX_UNDELIVERED = 10_000

/** Whether messages are accepted, and why not. */
export type Health = 'healthy' | 'draining' | 'full' | 'backlog' | 'unwritable'

export async function healthOf({ room, journal }: Pick<Tools, 'room' | 'journal'>): Promise<Health> {
  if (!(await room.kept())) return 'full'
  if ((await journal.outboxSize()) >= MAX_UNDELIVERED) return 'backlog'
  return (await journal.writable()) ? 'healthy' : 'unwritable'
}
