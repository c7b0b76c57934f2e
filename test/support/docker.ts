import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { startContainer, type Container } from './container.ts'
import { parseRun, type Run, type Volume } from './docker-run.ts'
import type { Image } from './image.ts'

const PROGRAM = new URL('docker-program.mjs', import.meta.url).pathname
const COMMAND_LINE = new URL('../../src/cli/main.ts', import.meta.url).pathname
/** How long `docker stop` waits unless the container was told otherwise. */
const STOP_SECONDS = 10
const USER = 10001
/** The volumes of the image, by its Dockerfile. */
const DECLARED = ['/workspace', '/tmp']
/** The variable that says where each port of the image is listened to. */
const PORTS: Readonly<Record<string, string>> = { '8080': 'PORT', '4321': 'ASTRO_PORT', '4322': 'HMR_PORT' }

export interface DockerOptions {
  /** The one image that there is, by its name. */
  readonly name: string
  readonly image: Image
  /** What every container has in its environment besides. */
  readonly env?: Readonly<Record<string, string>>
}

interface Answer {
  readonly code: number
  readonly out?: string
  readonly error?: string
}

interface Running {
  readonly container: Container
  readonly run: Run
  readonly output: () => string
  readonly ended: Promise<number>
}

/** A stand-in for the `docker` command: a program for shells, and what it runs. Containers share the network of this machine. */
export interface Docker extends AsyncDisposable {
  /** Stands first in the PATH of whoever is to find it. */
  readonly path: string
  logs(name: string): string
  /** The folder of a named volume. */
  volume(name: string): string
}

interface Call {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** What the command is told and this stand-in does not know. */
class Unknown extends Error {}

export async function startDocker({ name: imageName, image, env = {} }: DockerOptions): Promise<Docker> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-docker-'))
  await chmod(folder, 0o755)
  const bin = join(folder, 'bin')
  const socket = join(folder, 'socket')
  const running = new Map<string, Running>()
  const stopped = new Map<string, Run>()
  const finished = new Map<string, { readonly code: number; readonly output: string }>()
  const mounted: string[] = []
  await mkdir(bin)
  await writeFile(join(bin, 'docker'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' '${socket}' "$@"\n`, { mode: 0o755 })
  await writeFile(join(bin, 'sudo'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 }) // tests that run containers are root already
  // As `npx branchline` in a checkout, but for bringing its packages up to date, which would be under the feet of the tests.
  await writeFile(join(bin, 'npx'), `#!/bin/sh\n[ "$1" = branchline ] || exit 1\nshift\nexec '${process.execPath}' '${COMMAND_LINE}' "$@"\n`, { mode: 0o755 })

  const volume = (called: string): string => join(folder, 'volumes', called)
  /** A named volume begins as the image has the folder that it lies on. */
  const source = async (from: string, cwd: string): Promise<string> => {
    if (from.startsWith('/')) return from
    if (from.startsWith('.')) return resolve(cwd, from)
    await mkdir(volume(from), { recursive: true })
    await chown(volume(from), USER, USER)
    await chmod(volume(from), 0o711)
    return volume(from)
  }
  /** With the options that Docker gives it; `noexec` among them. */
  const temporary = async (): Promise<string> => {
    const at = await mkdtemp(join(folder, 'tmpfs-'))
    execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'rw,noexec,nosuid,nodev,mode=1777', 'tmpfs', at])
    mounted.push(at)
    return at
  }
  const name = (called: string | undefined): Running => {
    const found = called === undefined ? undefined : running.get(called)
    if (found === undefined) throw new Unknown(`No such container: ${called ?? ''}`)
    return found
  }

  const logs = (called: string): string => running.get(called)?.output() ?? finished.get(called)?.output ?? ''

  const begin = async (run: Run, cwd: string): Promise<Running> => {
    if (run.image !== imageName) throw new Unknown(`no such image: ${run.image}; there is ${imageName}`)
    const ports = Object.fromEntries(Object.values(PORTS).map((variable) => [variable, '0']))
    for (const [host, inside] of run.ports) {
      const variable = PORTS[inside]
      if (variable === undefined) throw new Unknown(`the image listens at no port ${inside}`)
      ports[variable] = host
    }
    const volumes = [
      ...(await Promise.all(run.tmpfs.map(async (to): Promise<Volume> => [await temporary(), to]))),
      ...(await Promise.all(run.volumes.map(async ([from, ...rest]): Promise<Volume> => [await source(from, cwd), ...rest]))),
    ]
    const entrypoint = image.command.slice(0, image.command.indexOf('--') + 1)
    const container = startContainer(image, {
      env: { ...ports, ...env, ...run.env },
      volumes,
      writable: !run.readOnly,
      noNewPrivileges: run.noNewPrivileges,
      ...(run.command.length === 0 ? {} : { command: [...entrypoint, ...run.command] }),
      ...(run.user === undefined ? {} : { user: run.user }),
      ...(run.capabilities === undefined ? {} : { capabilities: run.capabilities }),
      ...(run.memoryBytes === undefined ? {} : { memoryBytes: run.memoryBytes }),
    })
    let output = ''
    for (const stream of [container.child.stdout, container.child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    const ended = once(container.child, 'close').then(([code]) => (typeof code === 'number' ? code : -1))
    return { container, run, output: () => output, ended }
  }

  const runs = async (run: Run, cwd: string): Promise<Answer> => {
    if (running.has(run.name) || stopped.has(run.name)) throw new Unknown(`the name ${run.name} is in use`)
    const started = await begin(run, cwd)
    if (!run.detached) {
      const code = await started.ended
      await started.container.remove()
      return { code, out: started.output() }
    }
    running.set(run.name, started)
    return { code: 0, out: `${started.container.name}\n` }
  }

  const stop = async (called: string | undefined): Promise<Answer> => {
    const { container, run, ended, output } = name(called)
    await container.signal('SIGTERM')
    const timer = setTimeout(() => void container.signal('SIGKILL'), (run.stopSeconds ?? STOP_SECONDS) * 1000)
    const code = await ended
    clearTimeout(timer)
    await container.remove()
    running.delete(run.name)
    if (!run.remove) stopped.set(run.name, run)
    finished.set(run.name, { code, output: output() })
    return { code: 0, out: `${run.name}\n` }
  }

  const startAgain = async (called: string | undefined, cwd: string): Promise<Answer> => {
    const run = called === undefined ? undefined : stopped.get(called)
    if (run === undefined) throw new Unknown(`No such container: ${called ?? ''}`)
    stopped.delete(run.name)
    running.set(run.name, await begin(run, cwd))
    return { code: 0, out: `${run.name}\n` }
  }

  /** The volumes that an image declares get no name where nothing else is mounted there, and stay unless they are removed with it. */
  const removeStopped = (flags: readonly string[]): Answer => {
    const [called = '', withVolumes] = [flags.at(-1), flags[0] === '-v' && flags.length === 2]
    const run = stopped.get(called)
    if (run === undefined || (flags.length !== 1 && !withVolumes)) throw new Unknown(`rm ${flags.join(' ')}: there is no such stopped container`)
    const mountedAt = [...run.tmpfs, ...run.volumes.map(([, to]) => to)]
    if (!withVolumes && DECLARED.some((to) => !mountedAt.includes(to))) throw new Unknown(`rm ${called}: leaves a volume without a name; rm -v does not`)
    stopped.delete(called)
    return { code: 0, out: `${called}\n` }
  }

  const carryOut = async ({ args: [verb = '', ...rest], cwd, env: callers }: Call): Promise<Answer> => {
    switch (verb) {
      case 'run':
        return runs(await parseRun(rest, callers, async (file) => readFile(resolve(cwd, file), 'utf8')), cwd)
      case 'exec': {
        const [called, ...command] = rest
        return name(called).container.exec(command)
      }
      case 'stop':
        return stop(rest[0])
      case 'start':
        return startAgain(rest[0], cwd)
      case 'rm':
        return removeStopped(rest)
      case 'logs':
        return { code: 0, out: logs(rest[0] ?? '') }
      case 'inspect': {
        const [flag, format, called = ''] = rest
        if (flag !== '--format' || format !== '{{.State.ExitCode}}') throw new Unknown('inspect shows the exit code alone')
        const ended = stopped.has(called) ? finished.get(called) : undefined
        if (ended === undefined) throw new Unknown(`No such container that has ended: ${called}`)
        return { code: 0, out: `${ended.code}\n` }
      }
      case 'volume':
        if (rest[0] !== 'rm' || rest[1] === undefined) throw new Unknown(`volume ${rest.join(' ')}`)
        await rm(volume(rest[1]), { recursive: true })
        return { code: 0, out: `${rest[1]}\n` }
      default:
        throw new Unknown(`there is no command ${verb}`)
    }
  }

  const server = createServer((request, response) => {
    void bodyOf(request)
      .then(async (call) => carryOut(call))
      .catch((error: unknown): Answer => ({ code: 125, error: `docker: ${error instanceof Error ? error.message : String(error)}\n` }))
      .then((answer) => response.end(JSON.stringify(answer)))
  })
  server.listen(socket)
  await once(server, 'listening')
  return {
    path: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    logs,
    volume,
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const { container } of running.values()) await container.remove()
      for (const at of mounted) execFileSync('/usr/bin/umount', [at])
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<Call> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return JSON.parse(text)
}
