import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Slot } from './end-all.ts'
import { belongsTo, lookAtProcesses, missedNothing } from './table.ts'

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
 * Stops everything of a slot where it is, again and again until a look finds nothing that moves and can have missed nothing.
 *
 * @returns what stands still; `undefined` where something would not
 */
export async function haltAll({ slot, identity }: Slot): Promise<ReadonlySet<number> | undefined> {
  let gone: ReadonlySet<number> = new Set()
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await delay(LOOK_MS)) {
    const look = await lookAtProcesses()
    const all = look.living.filter((entry) => belongsTo(entry, slot, identity))
    const moving = all.filter(({ state }) => !/^[Tt]/.test(state))
    if (moving.length === 0 && missedNothing(look, gone)) return new Set(all.map(({ pid }) => pid))
    gone = look.ended
    for (const { pid } of moving) signal(pid, 'SIGSTOP')
  }
  return undefined
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
