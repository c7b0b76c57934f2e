import { existsSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { firstLine, messageOf } from '../observe/text.ts'
import { run } from './run.ts'
import type { Identity } from './start.ts'

/** What one program may reach below the folders that are hidden from it. */
export interface View {
  readonly cwd: string
  readonly writable: readonly string[]
  readonly readable: readonly string[]
}

type Command = readonly [file: string, args: readonly string[]]

export interface Sandbox {
  /** `processes`: with a list of processes of its own; `files`: it sees those of the machine; `off`: none. */
  readonly level: 'processes' | 'files' | 'off'
  /** A program as it is to be started, so that it runs inside. */
  command(view: View, file: string, args: readonly string[]): Command
}

export interface SandboxSetup {
  /** Hidden but for what a view names. */
  readonly workspace: string
  /** Folders and files of programs, which stay readable wherever they lie. */
  readonly programs: readonly string[]
}

/** `SANDBOX=bubblewrap` was asked for and cannot be had. */
export class SandboxUnavailable extends Error {
  constructor(reason: string) {
    super(
      `SANDBOX=bubblewrap, but no program can be started in it: ${reason}. Install bubblewrap (Debian: apt-get install bubblewrap), allow user namespaces where this machine or container forbids them, or leave SANDBOX out.`,
    )
    this.name = 'SandboxUnavailable'
  }
}

export const NO_SANDBOX: Sandbox = { level: 'off', command: (_view, file, args) => [file, args] }

const PLACES = ['/usr/bin/bwrap', '/bin/bwrap', '/usr/local/bin/bwrap']
/** Folders of people, of sockets that lead to other programs, and for temporary files. */
const HIDDEN = ['/home', '/root', '/run', '/tmp', '/var/tmp']
/** Names are looked up by what lies here, where `/etc/resolv.conf` leads to it. */
const RESOLVER = '/run/systemd/resolve'
const PROBE_MS = 10_000

/**
 * Arguments of bubblewrap. The system is read-only; people's folders, the workspace and temporary files are empty but for what the view
 * names; the network stays, because the broker is on loopback. It has no capabilities, and ends with the service.
 */
export function bubblewrapArgs(hidden: readonly string[], programs: readonly string[], view: View, ownProcesses: boolean): readonly string[] {
  const each = (option: string, paths: readonly string[]): readonly string[] => paths.flatMap((path) => [option, path, path])
  const processes = ownProcesses ? ['--unshare-pid', '--proc', '/proc'] : []
  // What holds another comes before it.
  const empty = hidden.toSorted((a, b) => a.length - b.length).flatMap((path) => ['--tmpfs', path])
  const shown = [...each('--ro-bind', programs), ...each('--ro-bind', view.readable), ...each('--bind', view.writable)]
  return '--unshare-user --unshare-ipc --cap-drop ALL --die-with-parent --ro-bind / / --dev /dev'
    .split(' ')
    .concat(processes, empty, '--ro-bind-try', RESOLVER, RESOLVER, shown, '--chdir', view.cwd, '--')
}

/**
 * Finds out once, at start, how agents and builds can run in a sandbox, by starting a program in it as their user.
 *
 * @throws SandboxUnavailable where it is wanted and cannot be had
 */
export async function findSandbox(wanted: 'off' | 'bubblewrap', as: Identity, { workspace, programs }: SandboxSetup): Promise<Sandbox> {
  if (wanted === 'off') return NO_SANDBOX
  const bubblewrap = PLACES.find((path) => existsSync(path))
  if (bubblewrap === undefined) throw new SandboxUnavailable(process.platform === 'linux' ? 'bubblewrap is not installed' : 'it is for Linux only')
  const hidden = [...new Set([...HIDDEN, homedir(), workspace].filter((path) => existsSync(path)).map((path) => realpathSync(path)))].filter(
    (path) => path !== '/',
  )
  const isHidden = (path: string): boolean => hidden.some((folder) => path.startsWith(`${folder}/`))
  // What is not there is found missing by the probe.
  const shown = programs.flatMap((path) => (existsSync(path) ? [realpathSync(path)] : [])).filter((path) => isHidden(path))
  const sandbox = (ownProcesses: boolean): Sandbox => ({
    level: ownProcesses ? 'processes' : 'files',
    command: (view, file, args) => {
      // Through a link in a path nothing could be put in its place.
      const real: View = {
        cwd: realpathSync(view.cwd),
        writable: view.writable.map((path) => realpathSync(path)),
        readable: view.readable.map((path) => realpathSync(path)),
      }
      return [bubblewrap, [...bubblewrapArgs(hidden, shown, real, ownProcesses), file, ...args]]
    },
  })
  const reasons: string[] = []
  for (const found of [sandbox(true), sandbox(false)]) {
    const reason = await obstacle(found, as, [workspace, ...programs])
    if (reason === undefined) return found
    reasons.push(reason)
  }
  throw new SandboxUnavailable(reasons[0] ?? '')
}

async function obstacle(sandbox: Sandbox, as: Identity, needed: readonly string[]): Promise<string | undefined> {
  const [file, args] = sandbox.command({ cwd: '/', writable: [], readable: [] }, '/bin/sh', [
    '-c',
    'for each; do test -x "$each" || test -r "$each" || echo "$each"; done',
    'sh',
    ...needed,
  ])
  try {
    const { code, stdout, stderr } = await run(file, args, { cwd: '/', env: {}, as, timeoutMs: PROBE_MS })
    if (code !== 0) return firstLine(stderr.toString('utf8'), 300) || `it ended with ${code}`
    const missing = stdout.toString('utf8').trim()
    return missing === '' ? undefined : `${firstLine(missing, 300)} cannot be reached inside`
  } catch (error) {
    return messageOf(error)
  }
}

/** What belongs to a program and must stay readable with it: its folder, and for one of a package the whole package. */
export const programFolders = (node: string, claudeCode: string, npmCli: string): readonly string[] => [node, dirname(claudeCode), dirname(dirname(npmCli))]
