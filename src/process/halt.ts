import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Slot } from './end-all.ts'
import { signalUser } from './signal-user.ts'
import { belongsTo, processTable } from './table.ts'

const PATIENCE_MS = 1000
const LOOK_MS = 5

/**
 * Stops processes where they are. What an agent's shell has put into the idle agent, as a debugger of the same user can, does nothing
 * any more while the service, as root, touches the files of the two.
 *
 * @returns whether all of them stand still
 */
export async function halt(pids: ReadonlySet<number> | undefined): Promise<boolean> {
  for (const pid of pids ?? []) signal(pid, 'SIGSTOP')
  if (process.platform !== 'linux') return true
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await delay(LOOK_MS)) {
    const states = await Promise.all([...(pids ?? [])].map((pid) => stateOf(pid)))
    if (states.every((state) => state === undefined || 'TtZ'.includes(state))) return true
  }
  return false
}

/**
 * Stops everything of a slot that has a user of its own where it is.
 *
 * @returns whether all of it stands still
 */
export async function haltAll({ slot, identity }: Slot): Promise<boolean> {
  await signalUser(identity, 'STOP')
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await delay(LOOK_MS)) {
    const all = (await processTable()).filter((entry) => belongsTo(entry, slot, identity))
    if (all.every(({ state }) => /^[Tt]/.test(state))) return true
  }
  return false
}

/** Lets everything of such a slot go on. */
export async function resumeAll({ slot, identity }: Slot): Promise<void> {
  for (const entry of await processTable()) if (belongsTo(entry, slot, identity)) signal(entry.pid, 'SIGCONT')
}

/** Lets them go on. */
export function resume(pids: ReadonlySet<number> | undefined): void {
  for (const pid of pids ?? []) signal(pid, 'SIGCONT')
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name)
  } catch {
    // it has ended
  }
}

/** The letter behind the name in `/proc/{pid}/stat`; `undefined` where there is no such process any more. */
async function stateOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return /\) (\S)/.exec(text.slice(text.lastIndexOf(')')))?.[1]
}
