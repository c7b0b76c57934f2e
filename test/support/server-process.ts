import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MARK } from './global-setup.ts'

const DEADLINE_MS = 20_000

/** A server on loopback in a process of its own, which keeps what it was given in a folder. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>
  /** Starts it again, on the same port and folder. */
  restart(): Promise<void>
}

export interface ServerProgram {
  readonly program: string
  readonly arguments: (port: number, folder: string) => readonly string[]
  /** Finds the port in what the program writes when it listens. */
  readonly ready: RegExp
  readonly port: number
  /** A temporary one unless given. */
  readonly folder: string | undefined
}

/** What programs need to reach any stand-in of AWS, besides its endpoint. */
export const AWS_ENV = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }
/** The same for a client in the test. */
export const AWS_CLIENT = { region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }

export async function startServerProcess({ program, arguments: argumentsOf, ready, port, folder }: ServerProgram): Promise<ServerProcess> {
  const place = folder ?? (await mkdtemp(join(tmpdir(), 'branchline-server-')))
  const begin = async (at: number): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
    const child = spawn(program, argumentsOf(at, place), {
      env: { PATH: process.env['PATH'] ?? '', [MARK]: process.env[MARK] ?? '' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let output = ''
    const listening = Promise.withResolvers<number>()
    const hear = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
      const found = ready.exec(output)?.[1]
      if (found !== undefined) listening.resolve(Number(found))
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', listening.reject)
    child.once('exit', (code) => listening.reject(new Error(`${program} ended with ${code}:\n${output}`)))
    const timer = setTimeout(() => listening.reject(new Error(`${program} did not listen in time:\n${output}`)), DEADLINE_MS)
    try {
      return { child, port: await listening.promise }
    } catch (error) {
      await end(child)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
  let running = await begin(port)
  const kill = (): Promise<void> => end(running.child)
  return {
    url: `http://127.0.0.1:${running.port}`,
    kill,
    restart: async () => {
      await kill()
      running = await begin(running.port)
    },
    [Symbol.asyncDispose]: async () => {
      await kill()
      if (folder === undefined) await rm(place, { recursive: true, force: true })
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
