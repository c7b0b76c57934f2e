import { setTimeout as delay } from 'node:timers/promises'
import { belongsTo, lookAtProcesses, missedNothing, processTable, type ProcessEntry } from './table.ts'
import { signalUser } from './signal-user.ts'
import type { Identity } from './start.ts'

/** Processes of a run were still alive after everything that may end them was tried. */
export class Unkillable extends Error {
  readonly pids: readonly number[]
  constructor(pids: readonly number[]) {
    super(`processes ${pids.join(', ')} could not be ended`)
    this.name = 'Unkillable'
    this.pids = pids
  }
}

export interface Slot {
  readonly slot: string
  readonly identity: Identity
}

const LIMIT_MS = 7000
/** What starts itself anew faster than it is ended one by one is ended in one call, the kept processes with it. */
const ONE_BY_ONE_MS = 1000
const PAUSE_MS = 20
/** Looks that find nothing and may have missed something, after which what shares the service's user is taken to have ended. */
const LOOKS = 50

/**
 * Ends everything of a slot but `keep`, again and again until a look finds nothing and can have missed nothing:
 * what left the process group, forked twice or starts itself anew included.
 *
 * @returns how many processes were ended
 * @throws Unkillable after seven seconds
 */
export async function endAll({ slot, identity }: Slot, keep: ReadonlySet<number> = new Set()): Promise<number> {
  return end((entry) => belongsTo(entry, slot, identity) && !keep.has(entry.pid), identity)
}

/** Ends every git that works on a repository below a folder: of a service that was killed, they may still write. @throws Unkillable */
export async function endGits(folder: string): Promise<number> {
  return end((entry) => entry.gitDir?.startsWith(`${folder}/`) === true && entry.pid !== process.pid, {})
}

async function end(wanted: (entry: ProcessEntry) => boolean, identity: Identity): Promise<number> {
  const ended = new Set<number>()
  const began = performance.now()
  let [gone, certain, empty]: [ReadonlySet<number>, boolean, number] = [new Set(), false, 0]
  for (;;) {
    const look = await lookAtProcesses()
    const left = look.living.filter(wanted).map((entry) => entry.pid)
    if (left.length === 0 && (certain || missedNothing(look, gone) || ++empty > LOOKS)) return ended.size
    gone = look.ended
    const elapsed = performance.now() - began
    if (left.length > 0 && elapsed > LIMIT_MS) throw new Unkillable(left)
    if (elapsed > ONE_BY_ONE_MS && identity.uid !== undefined) {
      await signalUser(identity, 'KILL')
      certain = true
    }
    for (const pid of left) {
      ended.add(pid)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it has ended already
      }
    }
    if (left.length > 0) await delay(PAUSE_MS)
  }
}

/** The living processes of a slot that descend from `pid`, and `pid` itself. */
export async function family(pid: number, { slot, identity }: Slot): Promise<ReadonlySet<number>> {
  const members = new Set([pid])
  const entries = (await processTable()).filter((entry) => belongsTo(entry, slot, identity))
  for (let grown = true; grown;) {
    const found = entries.filter((entry) => members.has(entry.parent) && !members.has(entry.pid))
    found.forEach((entry) => members.add(entry.pid))
    grown = found.length > 0
  }
  return members
}
