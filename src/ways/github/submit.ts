import type { Command } from '../../command/command.ts'
import type { CommandId, ThreadRef } from '../../command/ids.ts'
import type { State } from '../../journal/journal.ts'
import type { Desk } from './desk.ts'
import { replyTo, type ReplyPlace } from './out/place.ts'
import type { IssueThread } from './threads.ts'

/** The service takes nothing in now: it is stopping, or has no room. */
export class NotNow extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'NotNow'
  }
}

/** What is to be done in the thread of an issue. */
export interface Task {
  readonly commandId: CommandId
  readonly type: 'edit' | 'push' | 'merge'
  readonly instruction: string
  readonly delivery: 'interrupt' | 'queue'
  /** What a new thread begins from. */
  readonly branch?: string | undefined
  readonly maxCostUsd?: number | undefined
  readonly requestedBy?: { readonly login: string; readonly id: number }
}

/**
 * Hands a task in, whose result comes back to `place`. Answers the state of its command, and whether that was known already; `undefined`
 * where the same id was used for something else.
 *
 * @throws NotNow
 */
export async function submit(
  task: Task,
  ref: ThreadRef,
  { repository, number }: Pick<IssueThread, 'repository' | 'number'>,
  place: ReplyPlace,
  desk: Desk,
): Promise<{ readonly state: State; readonly known: boolean } | undefined> {
  const name = `${repository.owner}/${repository.name}`
  const limits = [task.maxCostUsd, desk.maxCostUsd].filter((each) => each !== undefined)
  const command: Command = {
    ...ref,
    commandId: task.commandId,
    sessionId: `${name}#${number}`,
    timestamp: Date.now(),
    type: task.type,
    instruction: task.instruction,
    mode: 'execute',
    delivery: task.delivery,
    repoUrl: desk.repositoryUrl(repository),
    attachments: [],
    ...(limits.length === 0 ? {} : { maxCostUsd: Math.min(...limits) }),
    ...(task.branch === undefined ? {} : { context: { branch: task.branch } }),
    ...(task.requestedBy === undefined ? {} : { userEmail: `${task.requestedBy.id}+${task.requestedBy.login}@users.noreply.github.com` }),
  }
  const accepted = await desk.works().accept(command, 'github', { way: 'github', from: name, to: replyTo(place), id: task.commandId })
  switch (accepted.kind) {
    case 'accepted':
    case 'duplicate':
      return { state: accepted.record.state, known: accepted.kind === 'duplicate' }
    case 'conflict':
      desk.log.warn({ event: 'github.conflict', threadId: ref.threadId, commandId: task.commandId })
      return undefined
    case 'closed':
      throw new NotNow('the service is stopping')
    case 'full':
      throw new NotNow('the disk is full')
    case 'backlog':
      throw new NotNow('too many results cannot be delivered')
  }
}
