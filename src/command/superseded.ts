import type { Command } from './command.ts'
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
