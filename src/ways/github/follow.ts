import type { WorkspaceId } from '../../command/ids.ts'
import type { Desk } from './desk.ts'
import type { GitHubEvent } from './event.ts'

/** What happened to issues and pull requests that have a thread. */
export async function follow(event: Exclude<GitHubEvent, { kind: 'message' }>, of: WorkspaceId, desk: Desk): Promise<void> {
  switch (event.kind) {
    case 'closed': {
      const thread = await desk.threads.ofNumber(of, event.repository, event.number)
      if (thread === undefined) return
      const ref = { ...of, threadId: thread.threadId }
      await desk.works().interrupt(ref)
      if (thread.pull?.number === event.number)
        await desk.threads.change(of, thread.threadId, ({ pull }) =>
          pull === undefined ? {} : { pull: { ...pull, state: event.merged ? 'merged' : 'closed' } },
        )
      await desk.works().park(ref)
      await desk.progress.show(ref, { kind: 'closed' })
      return
    }
    case 'check ended':
    case 'pushed':
      return
  }
}
