import { spawn, type ChildProcess } from 'node:child_process' // oxlint-disable-line no-restricted-imports -- this folder is a package of its own, and this its one place that starts services
import { once } from 'node:events'
import { chmodSync, mkdtempSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
/** Users that the agents of one container may need. */
const USERS_EACH = 100

export interface LocalContainersOptions {
  /** As many as the platform lets run at once. */
  readonly most: number
  /** What all of them are told, besides what the Worker says. */
  readonly env: Readonly<Record<string, string>>
  /** Services on one machine need ranges of users of their own, where agents get users. */
  readonly firstUserId: number
  readonly onOutput?: (name: string, output: string) => void
}

export interface LocalContainers extends AsyncDisposable {
  readonly url: string
  /** Names of those that run. */
  readonly running: readonly string[]
  /** How many have been started so far. */
  readonly started: number
  /** Ends one at once, with whatever is in it, as when its machine is lost; SIGTERM asks it to stop, as when it is moved. Resolves when it has ended. */
  end(name: string, signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

interface Running {
  readonly child: ChildProcess
  readonly folder: string
  /** Its share of the users. */
  readonly place: number
  url: string | undefined
}

/**
 * What containers are on Cloudflare, on this machine: each a service of its own on a disk that begins empty, and not more than so many at
 * once. `PUT /{name}` starts one, `GET` says where it is, `DELETE` ends it; `worker/local-runtime.ts` asks.
 */
export async function startLocalContainers(options: LocalContainersOptions): Promise<LocalContainers> {
  const running = new Map<string, Running>()
  let started = 0
  const gone = async (name: string, mine: Running): Promise<void> => {
    await endAllBelow(mine.folder)
    if (running.get(name) === mine) running.delete(name) // meanwhile there may be another one of that name
    await rm(mine.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
  /** Waits for nothing, so that no two of those that are started at once get the same place, or one too many is. */
  const start = (name: string, env: Readonly<Record<string, string>>): void => {
    const taken = new Set([...running.values()].map(({ place }) => place))
    const place = Array.from({ length: options.most }, (_, at) => at).find((at) => !taken.has(at)) ?? 0
    started += 1
    const folder = mkdtempSync(join(tmpdir(), 'branchline-container-'))
    chmodSync(folder, 0o755)
    const own = {
      PORT: '0',
      HOST: '127.0.0.1',
      ASTRO_PORT: 'off',
      SPARE_AGENT: 'false',
      HOME: folder,
      WORKSPACE_PATH: join(folder, 'workspace'),
      FIRST_USER_ID: String(options.firstUserId + place * USERS_EACH),
    }
    const child = spawn(process.execPath, [MAIN], { env: { ...options.env, ...env, ...own }, stdio: ['ignore', 'pipe', 'pipe'] })
    const mine: Running = { child, folder, place, url: undefined }
    running.set(name, mine)
    let output = ''
    const hear = (chunk: Buffer): void => {
      output = `${output}${chunk.toString('utf8')}`.slice(-10_000)
      mine.url ??= /is ready at (\S+)\n/.exec(output)?.[1]
      options.onOutput?.(name, chunk.toString('utf8'))
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('exit', () => {
      if (running.get(name) === mine) void gone(name, mine)
    })
  }
  const end = async (name: string, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> => {
    const found = running.get(name)
    if (found === undefined) return
    const ended = found.child.exitCode === null && found.child.signalCode === null ? once(found.child, 'exit') : undefined
    found.child.kill(signal)
    await ended
    await gone(name, found)
  }
  const answer = async (request: IncomingMessage): Promise<readonly [status: number, text: string]> => {
    const name = decodeURIComponent((request.url ?? '').slice(1))
    if (!/^[\w.@-]+\/[\w.@-]+$/.test(name)) return [400, 'a container is called {repository id}/{thread id}']
    switch (request.method ?? 'GET') {
      case 'PUT': {
        const env = JSON.parse(await text(request))
        if (!running.has(name)) {
          if (running.size >= options.most) return [503, 'Maximum number of running container instances exceeded']
          start(name, env)
        }
        return [201, '']
      }
      case 'DELETE':
        await end(name)
        return [200, '']
      default: {
        const found = running.get(name)
        return found === undefined ? [404, ''] : found.url === undefined ? [503, ''] : [200, found.url]
      }
    }
  }
  const server = createServer((request, response) => {
    answer(request).then(
      ([status, body]) => response.writeHead(status, { 'content-type': 'text/plain' }).end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // oxlint-disable-line typescript/no-unsafe-type-assertion -- it listens on a port
  return {
    url: `http://127.0.0.1:${port}`,
    get running() {
      return [...running.keys()]
    },
    get started() {
      return started
    },
    end,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await Promise.all([...running.keys()].map((name) => end(name)))
    },
  }
}

/** What a container runs ends with it. An agent that is halted would not notice that its service is gone. */
async function endAllBelow(folder: string): Promise<void> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)) // none where there is no such folder, as on macOS
  const environments = await Promise.all(pids.map(async (pid) => ({ pid, text: await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') })))
  for (const { pid } of environments.filter(({ text }) => text.includes(`${folder}/`))) {
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      continue // it has ended meanwhile
    }
  }
}
