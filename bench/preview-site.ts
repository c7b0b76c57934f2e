import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOf } from '../test/support/client.ts'
import { ask, previewUrl, showing, shown } from '../test/support/previews.ts'
import { startService, type Service } from '../test/support/service.ts'
import { complain, SERVICE_ENV } from './support.ts'

const LOOK_MS = 50
const START_MS = 120_000

/** A thread whose preview has answered. */
export interface ShownThread {
  readonly threadId: string
  readonly workTree: string
  /** Where the gateway shows it. */
  readonly url: string
  /** Where its dev server listens. */
  readonly direct: string
}

export const startShowing = (): Promise<Service> => startService({ example: true, env: { ...SERVICE_ENV, ...showing } })

export async function showThread(service: Service, threadId: string): Promise<ShownThread> {
  const client = clientOf(service)
  const { status, body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId })
  if (status !== 200) throw complain(service, `the thread was not prepared: ${JSON.stringify(body)}`)
  const result = await shown(client, threadId)
  if (!result.success) throw complain(service, `the preview did not start: ${JSON.stringify(result)}`)
  const workTree: string = body.workspace.projectPath
  const { port } = await devServerOf(workTree)
  return { threadId, workTree, url: previewUrl(service, `thread-${threadId}`), direct: `http://127.0.0.1:${port}/` }
}

/** The dev server that runs for a work tree. */
export async function devServerOf(workTree: string): Promise<{ readonly pid: number; readonly port: number }> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [, program = '', launch = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (!program.endsWith('launch-astro.ts')) continue
    const { root, port }: { root: string; port: number } = JSON.parse(launch)
    if (root === workTree) return { pid: Number(pid), port }
  }
  throw new Error(`no dev server runs in ${workTree}`)
}

/** Asks as a browser does, again and again, until there is a page. */
export async function firstPage(url: string): Promise<void> {
  for (const deadline = performance.now() + START_MS; performance.now() < deadline; await delay(LOOK_MS)) {
    const answer = await ask(url, { accept: 'text/html' }).catch(() => undefined)
    if (answer?.status === 200) return
  }
  throw new Error(`${url} showed no page within ${START_MS / 1000} seconds`)
}

export interface PlainPlace {
  readonly workTree: string
  readonly home: string
  readonly uid: number
  readonly gid: number
}

export interface PlainServer extends AsyncDisposable {
  readonly pid: number
  readonly url: string
}

/** `astro dev` as somebody starts it by hand; resolves with its first page. */
export async function startPlain({ workTree, home, uid, gid }: PlainPlace): Promise<PlainServer> {
  const child = spawn(process.execPath, [join(workTree, 'node_modules', '.bin', 'astro'), 'dev', '--host', '127.0.0.1'], {
    cwd: workTree,
    uid,
    gid,
    env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8', NO_COLOR: '1', ASTRO_TELEMETRY_DISABLED: '1', ASTRO_DEV_BACKGROUND: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ready = Promise.withResolvers<string>()
  let output = ''
  const hear = (chunk: Buffer): void => {
    output += chunk.toString('utf8')
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(output)?.[0]
    if (url !== undefined) ready.resolve(url)
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const exited = once(child, 'exit')
  child.once('exit', (code) => ready.reject(new Error(`astro dev ended with ${code}:\n${output}`)))
  const url = await ready.promise
  await firstPage(url)
  return {
    pid: child.pid ?? 0,
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}
