import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'

export type Child = ChildProcess

/** The user a child runs as; without numbers it is the service's own. */
export interface Identity {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

export interface StartOptions {
  readonly cwd: string
  /** The whole environment of the child: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly as?: Identity | undefined
  /** File mode mask of the child; by default the service's. */
  readonly umask?: number | undefined
  readonly stdio?: StdioOptions | undefined
  /** Leads a process group of its own, so that the group can be ended. */
  readonly detached?: boolean | undefined
}

/** Starts a program. No shell reads its arguments: they arrive as they are. */
export function start(file: string, args: readonly string[], options: StartOptions): ChildProcess {
  const { cwd, env, as = {}, umask, stdio = 'pipe', detached = false } = options
  const identity = as.uid === undefined || as.gid === undefined ? {} : { uid: as.uid, gid: as.gid }
  // process.umask() is the whole process's, and other threads of it write files meanwhile; so the child sets its own.
  const [program, programArgs] = umask === undefined ? [file, args] : ['/bin/sh', ['-c', 'umask "$0"; exec "$@"', umask.toString(8), file, ...args]]
  return spawn(program, [...programArgs], { cwd, env, stdio, detached, windowsHide: true, ...identity })
}
