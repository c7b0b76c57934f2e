import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'

/** Conditions, and the values of their parameters. */
export const COMMAND = 'client_id = ? AND user_id = ? AND project_id = ? AND command_id = ?'
export const WORKSPACE = 'client_id = ? AND user_id = ? AND project_id = ?'
export const THREAD = `${WORKSPACE} AND thread_id = ?`

export const workspaceValues = (of: WorkspaceId): [string, string, string] => [of.clientId, of.userId, of.projectId]
export const threadValues = (of: ThreadRef): [string, string, string, string] => [...workspaceValues(of), of.threadId]
