import { run } from '../process/run.ts'
import type { Identity } from '../process/start.ts'

/** A call of git ended with a code that its caller did not expect. */
export class GitError extends Error {
  readonly verb: string
  readonly code: number | null
  readonly stderr: string
  constructor(verb: string, code: number | null, stderr: string) {
    super(`git ${verb} ended with ${code ?? 'a signal'}: ${withoutProgress(stderr).slice(-2000)}`)
    this.name = 'GitError'
    this.verb = verb
    this.code = code
    this.stderr = stderr
  }
}

/** How far a transfer was says nothing of why it failed. */
const PROGRESS = /^(?:remote: )?(?:Enumerating|Counting|Compressing|Receiving|Writing|Resolving|Unpacking|Total|Delta|Updating)\b.*$/

const withoutProgress = (stderr: string): string =>
  stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !PROGRESS.test(line))
    .join('\n')

export interface GitOptions {
  /** The git directory; always named, so that nothing in a work tree is ever discovered. */
  readonly gitDir: string
  readonly workTree?: string | undefined
  readonly indexFile?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly input?: string | Buffer | undefined
  /** Exit codes besides 0 that the caller knows how to read. */
  readonly expect?: readonly number[] | undefined
  readonly stop?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
  readonly as?: Identity | undefined
  readonly umask?: number | undefined
  readonly onOutput?: ((chunk: string) => void) | undefined
}

export interface GitAnswer {
  readonly code: number
  readonly stdout: Buffer
  /** Standard output without the line feed at its end. */
  readonly text: string
  /** git said something on standard error, though it ended well. */
  readonly warned: boolean
}

const TIMEOUT_MS = 120_000

/** Transports that git may use; a repository in a local folder only where the operator named one. */
export type Protocols = 'https' | 'https:http' | 'file'

export const protocols = (allowed: Protocols): Record<string, string> => ({ GIT_ALLOW_PROTOCOL: allowed })

/** Where git and what it starts are looked for. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin'

/** Nobody's configuration applies: not the system's, not the user's, and of the repository only what the service wrote. */
const FIXED = {
  PATH: SYSTEM_PATH,
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'https',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
}

/**
 * The one way to call git.
 *
 * @throws GitError on an exit code that is neither 0 nor expected; what `stop` was aborted with; ProgramTimeout
 */
export async function git(args: readonly string[], options: GitOptions): Promise<GitAnswer> {
  const { gitDir, workTree, indexFile, expect = [] } = options
  const env = {
    ...FIXED,
    GIT_DIR: gitDir,
    ...(workTree === undefined ? {} : { GIT_WORK_TREE: workTree }),
    ...(indexFile === undefined ? {} : { GIT_INDEX_FILE: indexFile }),
    ...options.env,
  }
  const { code, stdout, stderr } = await run('git', args, { timeoutMs: TIMEOUT_MS, ...options, cwd: workTree ?? gitDir, env, detached: true })
  if (code === null || (code !== 0 && !expect.includes(code))) throw new GitError(args[0] ?? '', code, stderr.toString('utf8'))
  return { code, stdout, text: stdout.toString('utf8').replace(/\n$/, ''), warned: stderr.length > 0 }
}

/** Splits the NUL-terminated output of `-z`; names stay bytes, because they need not be UTF-8. */
export function records(output: Buffer): readonly Buffer[] {
  const found: Buffer[] = []
  for (let from = 0, to = output.indexOf(0); to !== -1; from = to + 1, to = output.indexOf(0, from)) found.push(output.subarray(from, to))
  return found
}

/** The reverse of `records`, for `--stdin -z`. */
export const joined = (names: readonly Buffer[]): Buffer => Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)]))
