import { commandHash, type Command } from '../../src/command/command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from '../../src/command/ids.ts'
import type { Result } from '../../src/command/result.ts'
import type { Acceptance, Saving } from '../../src/journal/journal.ts'

export const command = (commandId: string, threadId = 'one', more: Partial<Command> = {}): Command => ({
  clientId: ClientId.parse('acme'),
  userId: UserId.parse('me'),
  projectId: ProjectId.parse('project'),
  threadId: ThreadId.parse(threadId),
  commandId: CommandId.parse(commandId),
  sessionId: threadId,
  timestamp: 1,
  type: 'edit',
  instruction: `do ${commandId}`,
  mode: 'execute',
  delivery: 'interrupt',
  attachments: [],
  ...more,
})

export const acceptance = async (of: Command, more: Partial<Acceptance> = {}): Promise<Acceptance> => ({
  command: of,
  hash: await commandHash(of),
  way: 'http',
  at: 1000,
  begin: false,
  ...more,
})
export const result = (of: Command, more: Partial<Result> = {}): Result => ({
  sessionId: of.sessionId,
  commandId: of.commandId,
  timestamp: 2000,
  success: true,
  summary: 'done',
  ...more,
})
export const saving = (commit: string, before: string, more: Partial<Saving> = {}): Saving => ({
  ending: { kind: 'completed', summary: 'done' },
  commit,
  before,
  subject: `made ${commit}`,
  files: ['a'],
  skipped: [],
  ...more,
})
