export type Volume = readonly [from: string, to: string, how?: 'ro']

/** What `docker run` was told. */
export interface Run {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly detached: boolean
  readonly remove: boolean
  readonly env: Readonly<Record<string, string>>
  /** A name or a path, where it is inside, and whether it is for reading alone. */
  readonly volumes: readonly Volume[]
  /** Of this machine, and of the container. */
  readonly ports: readonly (readonly [host: string, inside: string])[]
  readonly readOnly: boolean
  readonly tmpfs: readonly string[]
  readonly user: string | undefined
  /** Those that are left; the usual ones unless something was said. */
  readonly capabilities: readonly string[] | undefined
  readonly noNewPrivileges: boolean
  readonly memoryBytes: number | undefined
  readonly stopSeconds: number | undefined
}

const SWITCHES = new Set(['-d', '--rm', '--read-only'])
const WITH_VALUE = new Set([
  '--name',
  '-e',
  '--env-file',
  '-v',
  '-p',
  '--tmpfs',
  '--user',
  '--cap-drop',
  '--cap-add',
  '--security-opt',
  '--memory',
  '--restart',
  '--stop-timeout',
])
const RESTARTS = ['no', 'on-failure', 'always', 'unless-stopped']
const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** Reads the arguments of `docker run`; what it does not know it refuses. */
export async function parseRun(args: readonly string[], callers: Readonly<Record<string, string>>, read: (file: string) => Promise<string>): Promise<Run> {
  const { switches, values, rest } = divided(args)
  const [image, ...command] = rest
  if (image === undefined) throw new Error('run: names no image')
  const all = (flag: string): readonly string[] => values.get(flag) ?? []
  const last = (flag: string): string | undefined => all(flag).at(-1)
  const restart = last('--restart')
  if (restart !== undefined && !RESTARTS.includes(restart)) throw new Error(`--restart: ${restart}`)
  if (restart !== undefined && switches.has('--rm')) throw new Error('--restart and --rm do not go together')
  for (const option of all('--security-opt')) if (option !== 'no-new-privileges') throw new Error(`--security-opt: ${option}`)
  const files = await Promise.all(all('--env-file').map(read))
  return {
    name: last('--name') ?? `container-${Math.random().toString(16).slice(2)}`,
    image,
    command,
    detached: switches.has('-d'),
    remove: switches.has('--rm'),
    env: Object.fromEntries([...files.flatMap(linesOf), ...all('-e')].flatMap((text) => variable(text, callers))),
    volumes: all('-v').map(volume),
    ports: all('-p').map(port),
    readOnly: switches.has('--read-only'),
    tmpfs: all('--tmpfs'),
    user: last('--user'),
    capabilities: capabilities(all('--cap-drop'), all('--cap-add')),
    noNewPrivileges: all('--security-opt').length > 0,
    memoryBytes: bytes(last('--memory')),
    stopSeconds: seconds(last('--stop-timeout')),
  }
}

/** Flags stand before the image; what is behind it is the program's. */
function divided(args: readonly string[]) {
  const [switches, values] = [new Set<string>(), new Map<string, string[]>()]
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    if (!arg.startsWith('-')) return { switches, values, rest: args.slice(at) }
    const [, long, inside] = /^(--[a-z-]+)=(.*)$/s.exec(arg) ?? []
    const flag = long ?? arg
    if (SWITCHES.has(flag) && inside === undefined) switches.add(flag)
    else if (WITH_VALUE.has(flag)) {
      const value = inside ?? args[(at += 1)]
      if (value === undefined) throw new Error(`${flag}: has no value`)
      values.set(flag, [...(values.get(flag) ?? []), value])
    } else throw new Error(`${arg}: is not known`)
  }
  return { switches, values, rest: [] }
}

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))

/** `NAME=value`, or `NAME` for the caller's own, which is left out where the caller has none. */
function variable(text: string, callers: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const at = text.indexOf('=')
  if (at > 0) return [[text.slice(0, at), text.slice(at + 1)]]
  const own = callers[text]
  return own === undefined ? [] : [[text, own]]
}

function volume(text: string): Volume {
  const [from, to, how, ...more] = text.split(':')
  if (!from || !to?.startsWith('/') || more.length > 0 || (how !== undefined && how !== 'ro')) throw new Error(`-v: ${text}`)
  return how === undefined ? [from, to] : [from, to, how]
}

function port(text: string): readonly [host: string, inside: string] {
  const [, host, inside] = /^127\.0\.0\.1:(\d+):(\d+)$/.exec(text) ?? []
  if (host === undefined || inside === undefined) throw new Error(`-p: ${text} is not for this machine alone`)
  return [host, inside]
}

function capabilities(dropped: readonly string[], added: readonly string[]): readonly string[] | undefined {
  if (dropped.length === 0 && added.length === 0) return undefined
  if (dropped.join() !== 'ALL') throw new Error(`--cap-drop: ${dropped.join()}`)
  return added.flatMap((text) => text.split(','))
}

function bytes(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, amount, unit] = /^(\d+)([bkmg])$/.exec(text) ?? []
  const size = unit === undefined ? undefined : UNITS[unit]
  if (size === undefined) throw new Error(`--memory: ${text}`)
  return Number(amount) * size
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw new Error(`--stop-timeout: ${text}`)
  return Number(text)
}

/** What of a service of a compose file is known here. */
export interface ComposeService {
  readonly image: string
  readonly command?: string | readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly tmpfs?: string
  readonly read_only?: boolean
  readonly mem_limit?: string
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly stop_grace_period?: string
  readonly restart?: string
  readonly depends_on?: Readonly<Record<string, unknown>>
}

/** A service of a compose file as `docker run` would be told of it. */
export function argumentsOf(service: ComposeService | undefined): readonly string[] {
  if (service === undefined) throw new Error('there is no such service')
  const each = (flag: string, values: readonly string[] = []): readonly string[] => values.flatMap((value) => [flag, `'${value}'`])
  const { command = [], environment = {}, ports, volumes, image } = service
  return [
    ...(service.read_only === true ? ['--read-only'] : []),
    ...each('--tmpfs', service.tmpfs === undefined ? [] : [service.tmpfs]),
    ...each('--memory', service.mem_limit === undefined ? [] : [service.mem_limit]),
    ...each('--cap-drop', service.cap_drop),
    ...each('--cap-add', service.cap_add),
    ...each('--stop-timeout', service.stop_grace_period === undefined ? [] : [service.stop_grace_period.replace('s', '')]),
    ...each('--restart', service.restart === undefined ? [] : [service.restart]),
    ...each(
      '-e',
      Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ),
    ...each('-p', ports),
    ...each('-v', volumes),
    image,
    ...(typeof command === 'string' ? command.split(' ') : command),
  ]
}
