import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { start, type StartOptions } from './start.ts'

export interface RunOptions extends Omit<StartOptions, 'stdio'> {
  readonly input?: string | Buffer | undefined
  /** Ends the program, and its process group where it leads one: SIGTERM, and SIGKILL a second later. */
  readonly stop?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
  /** Bytes of output kept; past that the beginning is dropped. */
  readonly keepBytes?: number | undefined
  /** Sees standard error, or both, as it comes. */
  readonly onOutput?: ((chunk: string) => void) | undefined
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** A program did not end in its time. */
export class ProgramTimeout extends Error {
  constructor(file: string, timeoutMs: number) {
    super(`${file} did not end within ${timeoutMs} ms`)
    this.name = 'ProgramTimeout'
  }
}

const KEEP_BYTES = 256 * 1024 * 1024
/** How long a program that is to end may take to put away what it holds, such as the locks of git. */
const GRACE_MS = 1000
/** How long output may still come from what the program left behind, after it ended. */
const LINGER_MS = 500

/**
 * Runs a program to its end.
 *
 * @throws what `stop` was aborted with; `ProgramTimeout`; the error of a program that could not be started.
 */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const { stop, timeoutMs, input, keepBytes = KEEP_BYTES, onOutput } = options
  stop?.throwIfAborted()
  const child = start(file, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const [stdout, stderr] = [collect(child.stdout, keepBytes, onOutput), collect(child.stderr, keepBytes, onOutput)]
  child.stdin?.on('error', () => {}) // a program may end before it has read its input; its exit code says so
  child.stdin?.end(input)

  let cause: unknown
  let grace: NodeJS.Timeout | undefined
  const end = (reason: unknown): void => {
    cause ??= reason
    signalGroup(child, options.detached ?? false, 'SIGTERM')
    grace ??= setTimeout(() => signalGroup(child, options.detached ?? false, 'SIGKILL'), GRACE_MS)
  }
  const stopped = (): void => end(stop?.reason)
  stop?.addEventListener('abort', stopped, { once: true })
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => end(new ProgramTimeout(file, timeoutMs)), timeoutMs)
  try {
    const [code, signal] = await exitOf(child)
    await lingering(child, closed)
    if (cause !== undefined) throw cause // oxlint-disable-line typescript/only-throw-error -- the reason of an AbortSignal is thrown as it is
    return { code, signal, stdout: stdout(), stderr: stderr() }
  } finally {
    clearTimeout(timer)
    clearTimeout(grace)
    if (cause !== undefined) signalGroup(child, options.detached ?? false, 'SIGKILL') // what its leader left behind
    stop?.removeEventListener('abort', stopped)
  }
}

async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const [code, signal] = await once(child, 'exit') // rejects with the error of a failed start
  return [typeof code === 'number' ? code : null, signal ?? null]
}

/** `close` comes only when the last grandchild lets go of the pipes; what is still silent after a moment is cut off. */
async function lingering(child: ChildProcess, closed: Promise<void>): Promise<void> {
  const timer = setTimeout(() => {
    child.stdout?.destroy()
    child.stderr?.destroy()
  }, LINGER_MS)
  await closed
  clearTimeout(timer)
}

function signalGroup(child: ChildProcess, leadsGroup: boolean, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(leadsGroup ? -child.pid : child.pid, signal)
  } catch {
    // it has ended already
  }
}

function collect(stream: NodeJS.ReadableStream | null, keepBytes: number, onOutput?: (chunk: string) => void) {
  const chunks: Buffer[] = []
  let length = 0
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    onOutput?.(chunk.toString('utf8'))
    while (length > keepBytes && chunks.length > 1) {
      length -= chunks.shift()?.length ?? 0
    }
  })
  return () => Buffer.concat(chunks).subarray(-keepBytes)
}
