import type { Carried, Command } from './command.ts'
import type { CommandId } from './ids.ts'
import type { Result } from './result.ts'

/** The result of a message whose text another one takes along. */
export const takenAlong = (heir: CommandId, { sessionId, commandId }: Command, at: number): Result => ({
  sessionId,
  commandId,
  timestamp: at,
  success: false,
  summary: 'Taken along by a newer message before it had begun',
  code: 'superseded',
  error: `A newer message (${heir}) took this one along before it had begun; its text is not lost.`,
  supersededBy: heir,
})

/** What a command says of a workspace or thread that does not exist yet outlives it. */
export const withWishes = (command: Command, earlier: Command): Command => ({
  ...command,
  repoUrl: command.repoUrl ?? earlier.repoUrl,
  context: command.context ?? earlier.context,
})

/** Attachments that one message takes along, in bytes of base64. With more it waits for its turn like others, so that rows and requests stay bounded. */
const MAX_CARRIED_BYTES = 20 * 1024 * 1024

const bytesOf = (texts: readonly Pick<Carried, 'attachments'>[]): number =>
  texts.flatMap(({ attachments }) => attachments).reduce((sum, { data }) => sum + data.length, 0)

/** Whether a message may take along the text of one before it that has not begun. */
export const mayTakeAlong = (command: Command, before: { readonly command: Command; readonly carried: readonly Carried[] }): boolean =>
  before.command.type === 'edit' &&
  command.type === 'edit' &&
  command.mode === before.command.mode &&
  command.delivery === 'interrupt' &&
  bytesOf([...before.carried, before.command, command]) <= MAX_CARRIED_BYTES
