import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'

export type Child = ChildProcess

/** The user a child runs as; without numbers it is the service's own. */
export interface Identity {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Program and arguments that it is started by, where the service has something that has to be taken off first. */
  readonly through?: readonly string[] | undefined
}

export interface StartOptions {
  readonly cwd: string
  /** The whole environment of the child: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly as?: Identity | undefined
  /** File mode mask of the child; by default the service's. */
  readonly umask?: number | undefined
  /**
   * What it runs is not ours: where it has a user of its own, that may have at most `MAX_TASKS` processes and threads, and when
   * memory runs out it is ended before the service is.
   */
  readonly contained?: boolean | undefined
  readonly stdio?: StdioOptions | undefined
  /** Leads a process group of its own, so that the group can be ended. */
  readonly detached?: boolean | undefined
}

/** Processes and threads; Claude Code with a build beside it has about a hundred. */
const MAX_TASKS = 1024
/** The limit of processes is `-p` to one shell and `-u` to others; Linux alone has a score for who is ended first. */
const LIMITS = `ulimit -p ${MAX_TASKS} 2>/dev/null || ulimit -u ${MAX_TASKS}; { echo 500 > /proc/self/oom_score_adj; } 2>/dev/null`

/** Starts a program. No shell reads its arguments: they arrive as they are. */
export function start(file: string, args: readonly string[], options: StartOptions): ChildProcess {
  const { cwd, env, as = {}, umask, contained = false, stdio = 'pipe', detached = false } = options
  const identity = as.uid === undefined || as.gid === undefined ? {} : { uid: as.uid, gid: as.gid }
  // process.umask() is the whole process's, and other threads of it write files meanwhile; so the child sets its own.
  const before = [...(umask === undefined ? [] : [`umask ${umask.toString(8)}`]), ...(contained && as.uid !== undefined ? [LIMITS] : [])]
  const shell = before.length === 0 ? [] : ['/bin/sh', '-c', [...before, 'exec "$@"'].join('; '), 'sh']
  const [program = file, ...rest] = [...(as.through ?? []), ...shell, file, ...args]
  return spawn(program, rest, { cwd, env, stdio, detached, windowsHide: true, ...identity })
}
