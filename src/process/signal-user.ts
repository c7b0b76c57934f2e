import { run } from './run.ts'
import type { Identity } from './start.ts'

/**
 * `kill(-1)` as a user reaches all its processes at once, those that are about to be forked too, and nobody else's: a walk through the
 * process table may miss what starts itself anew.
 */
export async function signalUser(identity: Identity, signal: 'KILL' | 'STOP'): Promise<void> {
  await run('/bin/sh', ['-c', `kill -s ${signal} -- -1`], { cwd: '/', env: {}, as: identity, timeoutMs: 2000 })
}
