import { readFile } from 'node:fs/promises'
import { conversationFile, type AgentPlace, type Keeping } from '../agent/agents.ts'
import { workspaceKey, type WorkspaceId } from '../command/ids.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import { give, writeAtomically } from '../workspace/files.ts'
import { objectsOf, type ThreadPaths } from '../workspace/paths.ts'
import type { Slot } from '../process/end-all.ts'

interface Home {
  readonly slot: Slot
  readonly paths: ThreadPaths
}

/** What the agent of a slot is started with. */
export const agentPlace = (workspace: WorkspaceId, { sessionId, begins }: Pick<ThreadRecord, 'sessionId' | 'begins'>, { slot, paths }: Home): AgentPlace => ({
  workspace: workspaceKey(workspace),
  slot,
  workTree: paths.workTree,
  folders: paths.agent,
  readable: [objectsOf(paths)],
  given: paths.given,
  sessionId,
  begins,
})

/** Where its conversations are kept, and how files become its own. */
export function keepingOf({ slot, paths }: Home): Keeping {
  const file = (sessionId: string): string => conversationFile(paths.sessions, sessionId)
  return {
    read: (sessionId) => readFile(file(sessionId)).catch(() => undefined),
    write: (sessionId, content) => writeAtomically(file(sessionId), content),
    give: (path) => give(path, slot.identity),
  }
}
