import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Image } from './image.ts'

const exec = promisify(execFile)
const RUNC = '/usr/sbin/runc'
/** Those of a container that nobody has given or taken any; Docker's and Fargate's are the same. */
const USUAL = 'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'.split(' ')

export interface ContainerOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Folders and files of this machine, and where they are inside; `ro` where nothing may be written there. */
  readonly volumes?: readonly (readonly [from: string, to: string, how?: 'ro'])[]
  readonly command?: readonly string[]
  /** `10001:10001` by default, as the image says. */
  readonly user?: string
  /** Capabilities that processes may come to have; those of root are in effect. */
  readonly capabilities?: readonly string[]
  readonly noNewPrivileges?: boolean
  readonly memoryBytes?: number
  readonly writable?: boolean
}

/** A container of the image: processes, files and mounts of its own, the network of this machine. */
export interface Container {
  readonly name: string
  readonly child: ChildProcess
  /** To its first process, as `docker kill` and `docker stop` do. */
  signal(signal: NodeJS.Signals): Promise<void>
  /** Runs a program in it; as its user unless told otherwise. */
  exec(command: readonly string[], user?: string): Promise<{ readonly code: number; readonly out: string }>
  remove(): Promise<void>
}

export function startContainer(image: Image, options: ContainerOptions = {}): Container {
  const [name, bundle] = [`branchline-${randomBytes(6).toString('hex')}`, mkdtempSync(join(tmpdir(), 'branchline-bundle-'))]
  execFileSync(RUNC, ['spec'], { cwd: bundle })
  writeFileSync(
    join(bundle, 'config.json'),
    JSON.stringify(specOf(image, options, JSON.parse(execFileSync('cat', [join(bundle, 'config.json')], { encoding: 'utf8' })))),
  )
  const child = spawn(RUNC, ['run', '--bundle', bundle, name], { stdio: ['ignore', 'pipe', 'pipe'] })
  const run = (...args: string[]) => exec(RUNC, args, { maxBuffer: 64 * 1024 * 1024 })
  return {
    name,
    child,
    signal: async (signal) => void (await run('kill', name, signal.replace('SIG', '')).catch(() => {})), // it has ended
    exec: async (command, user = image.user) => {
      const done = await run('exec', '--user', user, name, ...command).catch((error: { code?: number; stdout?: string; stderr?: string }) => error)
      return { code: 'code' in done ? Number(done.code) : 0, out: `${done.stdout ?? ''}${done.stderr ?? ''}` }
    },
    remove: async () => {
      await run('delete', '--force', name).catch(() => {}) // it is gone already
      rmSync(bundle, { recursive: true, force: true })
    },
  }
}

function specOf(image: Image, options: ContainerOptions, spec: any): unknown {
  const { env = {}, volumes = [], command = image.command, user = image.user, noNewPrivileges = false, memoryBytes, writable = false } = options
  const [uid = 0, gid = 0] = user.split(':').map(Number)
  const capabilities = (options.capabilities ?? USUAL).map((each) => `CAP_${each}`)
  const inEffect = uid === 0 ? capabilities : []
  const mount = (destination: string, source: string, type: string, mountOptions: readonly string[]) => ({ destination, source, type, options: mountOptions })
  return {
    ...spec,
    root: { path: image.root, readonly: !writable },
    process: {
      ...spec.process,
      terminal: false,
      user: { uid, gid },
      args: command,
      cwd: '/',
      env: [...image.env.filter((each) => !((each.split('=')[0] ?? '') in env)), ...Object.entries(env).map(([key, value]) => `${key}=${value}`)],
      noNewPrivileges,
      rlimits: [],
      capabilities: { bounding: capabilities, effective: inEffect, permitted: inEffect, inheritable: [], ambient: [] },
    },
    mounts: [
      ...spec.mounts,
      mount('/tmp', 'tmpfs', 'tmpfs', ['nosuid', 'nodev', 'mode=1777']),
      mount('/etc/resolv.conf', '/etc/resolv.conf', 'bind', ['bind', 'ro']),
      ...volumes.map(([from, to, how = 'rw']) => mount(to, from, 'bind', ['rbind', how])),
    ],
    linux: {
      ...spec.linux,
      namespaces: spec.linux.namespaces.filter(({ type }: { type: string }) => type !== 'network'),
      ...(memoryBytes === undefined ? {} : { resources: { ...spec.linux.resources, memory: { limit: memoryBytes } } }),
    },
  }
}
