import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const STRACE = 'strace'

/** Calls by which a program changes what outlives it. The question mark is strace's: not every architecture has each. */
export const MUTATING =
  'open openat creat write pwrite64 writev ftruncate fsync fdatasync rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir chmod fchmod fchmodat utimensat'
    .split(' ')
    .map((name) => `?${name}`)
    .join()

/** One mutating call that git makes: of which call of git, the n-th of its name in its process. */
export interface Point {
  readonly call: string
  readonly syscall: string
  readonly nth: number
  /** As strace has written it down. */
  readonly line: string
}

/** A way to break git at a point. */
export interface Means {
  readonly title: string
  readonly inject: string
  readonly dies: boolean
  readonly at: (point: Point) => boolean
}

const takesRoom = ({ syscall, line }: Point): boolean =>
  /^(open|creat|rename|link|symlink|mkdir)/.test(syscall) || (/write/.test(syscall) && toFile(line)) || syscall === 'fsync'
const toFile = (line: string): boolean => /^\w+\(\d+<\/(?!dev\/)/.test(line) // not a pipe, not a socket

/** SIGKILL comes before the call takes effect, so the n-th point is also the state that the one before has left. */
export const MEANS: readonly Means[] = [
  { title: 'git is killed', inject: 'signal=SIGKILL', dies: false, at: () => true },
  { title: 'git is killed and the service with it', inject: 'signal=SIGKILL', dies: true, at: () => true },
  { title: 'git is told that the disk is full', inject: 'error=ENOSPC', dies: false, at: takesRoom },
  { title: 'git is told that the disk is broken', inject: 'error=EIO', dies: false, at: takesRoom },
]

/** All points of the calls that were traced into a folder, in the order of the calls. */
export async function pointsIn(logs: string): Promise<readonly Point[]> {
  const points = new Map<string, Point>()
  for (const file of (await readdir(logs)).toSorted((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10))) {
    const call = file.slice(file.indexOf(' ') + 1)
    const counts = new Map<string, number>()
    for (const text of (await readFile(join(logs, file), 'utf8')).split('\n')) {
      const [, pid = '', line = '', syscall = ''] = /^(?:(\d+) +)?((\w+)\(.*)$/.exec(text) ?? []
      if (syscall === '') continue
      const nth = (counts.get(`${pid} ${syscall}`) ?? 0) + 1
      counts.set(`${pid} ${syscall}`, nth)
      // Each process counts for itself; where two are at the same count, both are struck by one run.
      if (mutates(syscall, line) && !points.has(`${call} ${syscall} ${nth}`)) points.set(`${call} ${syscall} ${nth}`, { call, syscall, nth, line })
    }
  }
  return [...points.values()]
}

const mutates = (syscall: string, line: string): boolean => !syscall.startsWith('open') || /O_CREAT|O_TRUNC/.test(line)

/** About `count` points with the same distance between each two, begun from `offset`; over all offsets, every point. */
export function stride(points: readonly Point[], count: number, offset: number): readonly Point[] {
  const step = Math.ceil(points.length / count)
  return points.filter((_, at) => at % step === offset % step)
}

/** Whether what was ordered has come to pass in a folder of traces. */
export async function wasStruck(logs: string): Promise<boolean> {
  for (const name of await readdir(logs).catch(() => [])) if (/INJECTED|killed by SIGKILL/.test(await readFile(join(logs, name), 'utf8'))) return true
  return false
}

/** Why git cannot be run under strace here, or `undefined` where it can. */
export function straceMissing(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux'
  try {
    execFileSync(STRACE, ['-f', '-o', '/dev/null', '-e', 'trace=?write', '-e', 'inject=write:error=EIO:when=1', '--', 'true'], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'strace is not installed' : 'strace may not trace here'
  }
}
