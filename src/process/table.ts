import { readdir, readFile } from 'node:fs/promises'
import { run } from './run.ts'
import type { Identity } from './start.ts'

/** Every process of a slot carries this variable, so that it is found again even where it shares the service's user. */
export const SLOT_VARIABLE = 'BRANCHLINE_SLOT'

export interface ProcessEntry {
  readonly pid: number
  readonly uid: number
  readonly parent: number
  /** As `ps` shows it: `T` stands still. */
  readonly state: string
  /** The value of `BRANCHLINE_SLOT` in its environment, where that can be read. */
  readonly slot: string | undefined
  /** `GIT_DIR` in its environment: a git that a service has started. */
  readonly gitDir?: string | undefined
}

/** What one look at the processes of this machine has found. */
export interface ProcessLook {
  /** The living ones, without zombies. */
  readonly living: readonly ProcessEntry[]
  /** Those that were listed and had ended when they were read: each may have started another meanwhile, which was not listed. */
  readonly ended: ReadonlySet<number>
}

/** The living processes of this machine, without zombies. */
export const processTable = async (): Promise<readonly ProcessEntry[]> => (await lookAtProcesses()).living

export async function lookAtProcesses(): Promise<ProcessLook> {
  return process.platform === 'linux' ? linuxLook() : { living: await psTable(), ended: new Set() }
}

/**
 * Whether a look can have missed nothing: what has ended since it was listed may have started another that was not listed, but for a
 * zombie that the look before found already.
 */
export const missedNothing = ({ ended }: ProcessLook, endedBefore: ReadonlySet<number>): boolean => [...ended].every((pid) => endedBefore.has(pid))

async function linuxLook(): Promise<ProcessLook> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const entries = await Promise.all(pids.map((pid) => linuxEntry(pid)))
  return { living: entries.filter((entry) => entry !== undefined), ended: new Set(pids.filter((_, index) => entries[index] === undefined)) }
}

async function linuxEntry(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
    // The first thread of a killed process may be a zombie while others still finish what they were writing.
    if (field('State') === 'Z' && Number(field('Threads')) <= 1) return undefined
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '') // another user's: its uid tells
    const variable = (name: string): string | undefined => new RegExp(`(?:^|\\0)${name}=([^\\0]*)`).exec(environment)?.[1]
    return { pid, uid: Number(field('Uid')), parent: Number(field('PPid')), state: field('State'), slot: variable(SLOT_VARIABLE), gitDir: variable('GIT_DIR') }
  } catch {
    return undefined // it ended while we looked
  }
}

/** macOS and others: `ps -E` appends the environment to the command, for processes of one's own. */
async function psTable(): Promise<readonly ProcessEntry[]> {
  const { stdout } = await run('/bin/ps', ['-axEww', '-o', 'pid=,ppid=,uid=,state=,command='], { cwd: '/', env: {} })
  return stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, uid, state, command] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
      if (pid === undefined || state?.startsWith('Z')) return []
      const variable = (name: string): string | undefined => new RegExp(`(?:^| )${name}=(\\S*)`).exec(command ?? '')?.[1]
      return [{ pid: Number(pid), parent: Number(parent), uid: Number(uid), state: state ?? '', slot: variable(SLOT_VARIABLE), gitDir: variable('GIT_DIR') }]
    })
}

/** What belongs to a slot: by its user where it has one of its own, else by the mark in its environment. */
export function belongsTo(entry: ProcessEntry, slot: string, identity: Identity): boolean {
  return entry.pid !== process.pid && (identity.uid === undefined ? entry.slot === slot : entry.uid === identity.uid)
}
