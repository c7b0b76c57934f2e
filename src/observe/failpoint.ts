import { channel } from 'node:diagnostics_channel'

/**
 * Where a crash, a pause or an error is most telling: after each step of a command that something outside of memory remembers.
 * `test/faults/failpoints.test.ts` ends the service at each of them, and fails where one is never passed.
 */
export const FAILPOINTS = [
  'accept.arrived',
  'accept.recorded',
  'run.begun',
  'clone.filled',
  'clone.moved',
  'thread.branched',
  'thread.checked_out',
  'thread.tree_moved',
  'run.prepared',
  'agent.taken',
  'step.taken',
  'agent.answered',
  'conversation.kept',
  'run.carried_out',
  'save.staged',
  'save.committed',
  'save.noted',
  'save.moved',
  'save.indexed',
  'save.checked_out',
  'run.ended',
  'run.requeued',
  'agent_git.renewed',
  'spare.reserved',
  'spare.laid_out',
  'spare.ready',
  'result.delivered',
  'result.sent',
  'github.recorded',
  'github.accepted',
  'github.shown',
  'github.dealt',
  'github.push_asked',
  'github.pull_made',
  'github.pull_noted',
  'github.answered',
  'park.moved',
  'push.fixed',
  'push.sent',
  'push.refused',
  'recovery.processes_ended',
  'recovery.stale_removed',
  'recovery.saving_finished',
  'recovery.left_saved',
] as const
export type Failpoint = (typeof FAILPOINTS)[number]

/** What a subscriber of the channel sees; what it puts into `until` is waited for, and where that rejects, thrown. */
export interface Passing {
  readonly name: Failpoint
  until?: Promise<void>
}

export const FAILPOINT_CHANNEL = 'branchline:failpoint'
const passing = channel(FAILPOINT_CHANNEL)

/** Says that a failpoint is passed. Without a subscriber, as everywhere but in tests, nothing happens. */
export function failpoint(name: Failpoint): Promise<void> | undefined {
  if (!passing.hasSubscribers) return undefined
  const at: Passing = { name }
  passing.publish(at)
  return at.until
}
