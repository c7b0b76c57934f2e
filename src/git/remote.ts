import { branchRef, isAncestor, originRef, resolve, type Sha } from './branch.ts'
import { publicAddresses } from '../network/public-address.ts'
import { git, GitError, protocols, type Protocols } from './git.ts'

/** Where a repository comes from and goes to. The URL never holds a credential. */
export interface Remote {
  readonly url: string
  readonly protocols: Protocols
  /**
   * The value of an `Authorization` header, or who gives one for a while; handed to processes through their environment, never on disk
   * or in their arguments.
   */
  readonly authorization?: string | Authorize | undefined
  /** Somebody else than the operator named it: only public addresses are connected to. */
  readonly publicOnly?: boolean
  /** Variables that lead to the network: proxies and certificates. */
  readonly env?: Readonly<Record<string, string>>
}

/** What is to be done at origin. */
export type Access = 'read' | 'write'
/** The value of an `Authorization` header, where one is needed; taken back when it is disposed of. */
export interface Authorization extends AsyncDisposable {
  readonly value: string | undefined
}
/** Who gives access to origin cannot, or may not, do so now. */
export class AccessBusy extends Error {
  /** When to ask again, in ms since the epoch, where that is known. */
  readonly until: number | undefined
  constructor(message: string, until: number | undefined, cause: unknown) {
    super(message, { cause })
    this.name = 'AccessBusy'
    this.until = until
  }
}
export type Authorize = (access: Access) => Promise<Authorization>

interface Options {
  readonly stop?: AbortSignal | undefined
  readonly onProgress?: ((text: string) => void) | undefined
}

const FETCH_TIMEOUT_MS = 15 * 60_000
const PUSH_TIMEOUT_MS = 5 * 60_000
const ASK_TIMEOUT_MS = 30_000

type Environment = Readonly<Record<string, string>>

/** Works with origin by processes of this environment; what authorizes them is taken back afterwards. */
async function connected<Value>(remote: Remote, access: Access, work: (env: Environment) => Promise<Value>): Promise<Value> {
  const { authorization } = remote
  if (typeof authorization !== 'function') return work(await environment(remote, authorization))
  await using given = await authorization(access)
  return await work(await environment(remote, given.value))
}

/** Configuration of one process, in its environment: the credential, the addresses, no redirects, and giving up on a stalled transfer. */
async function environment(remote: Remote, authorization: string | undefined): Promise<Environment> {
  const settings: (readonly [string, string])[] = [
    ['http.followRedirects', 'false'],
    ['http.lowSpeedLimit', '100'],
    ['http.lowSpeedTime', '60'],
    ['credential.helper', ''],
  ]
  if (authorization !== undefined) settings.push([`http.${remote.url}.extraHeader`, `Authorization: ${authorization}`])
  const { hostname } = URL.parse(remote.url) ?? { hostname: '' }
  // A proxy looks names up itself, and connects as its own rules allow.
  if (remote.publicOnly === true && remote.env?.['HTTPS_PROXY'] === undefined && remote.env?.['https_proxy'] === undefined) {
    settings.push(['http.curloptResolve', `${hostname}:443:${(await publicAddresses(hostname)).join(',')}`])
  }
  return {
    ...remote.env,
    ...protocols(remote.protocols),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(settings.flatMap(([key, value], at) => [[`GIT_CONFIG_KEY_${at}`, key] as const, [`GIT_CONFIG_VALUE_${at}`, value] as const])),
  }
}

/** Brings the branches of origin here, as `refs/remotes/origin/*`. */
export async function fetchOrigin(gitDir: string, remote: Remote, options: Options = {}): Promise<void> {
  await connected(remote, 'read', (env) => fetchBranches(gitDir, remote, env, options))
}

async function fetchBranches(gitDir: string, remote: Remote, env: Environment, { stop, onProgress }: Options = {}): Promise<void> {
  await git(['fetch', '--progress', '--no-tags', '--no-write-fetch-head', '--end-of-options', remote.url, '+refs/heads/*:refs/remotes/origin/*'], {
    gitDir,
    env,
    stop,
    timeoutMs: FETCH_TIMEOUT_MS,
    onOutput: (chunk) => onProgress?.(lastLine(chunk)),
  })
}

const lastLine = (chunk: string): string =>
  chunk
    .split(/[\r\n]/)
    .filter((line) => line.trim() !== '')
    .at(-1) ?? ''

/** The branch that HEAD of origin names, or `undefined` for an empty repository. */
export async function headOfOrigin(gitDir: string, remote: Remote, stop?: AbortSignal): Promise<string | undefined> {
  const { text } = await connected(remote, 'read', (env) =>
    git(['ls-remote', '--symref', '--end-of-options', remote.url, 'HEAD'], { gitDir, env, stop, timeoutMs: ASK_TIMEOUT_MS }),
  )
  return /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(text)?.[1]
}

/** What the branch is at origin, asked there. */
export async function branchAtOrigin(gitDir: string, remote: Remote, branch: string): Promise<Sha | undefined> {
  return connected(remote, 'read', (env) => askBranch(gitDir, remote, branch, env))
}

async function askBranch(gitDir: string, remote: Remote, branch: string, env: Environment): Promise<Sha | undefined> {
  const { text } = await git(['ls-remote', '--end-of-options', remote.url, branchRef(branch)], { gitDir, env, timeoutMs: ASK_TIMEOUT_MS })
  return /^([0-9a-f]{40,64})\t/.exec(text)?.[1]
}

/** How a push ended: origin has the commit, or holds others that ours was not made from. */
export type Pushed = { readonly kind: 'pushed' } | { readonly kind: 'moved'; readonly tip: Sha }

/**
 * Pushes one exact commit to a branch of origin, forward only. Doing it again, after a lost reply or a crash, is harmless.
 *
 * @throws GitError where origin cannot be reached or refuses for another reason than having moved
 */
export async function push(gitDir: string, remote: Remote, branch: string, commit: Sha): Promise<Pushed> {
  return connected(remote, 'write', (env) => pushBy(gitDir, remote, branch, commit, env))
}

async function pushBy(gitDir: string, remote: Remote, branch: string, commit: Sha, env: Environment): Promise<Pushed> {
  const before = await askBranch(gitDir, remote, branch, env)
  if (before === commit) return noted(gitDir, branch, commit)
  try {
    await git(['push', '--porcelain', '--no-verify', '--end-of-options', remote.url, `${commit}:${branchRef(branch)}`], {
      gitDir,
      env,
      timeoutMs: PUSH_TIMEOUT_MS,
    })
    return await noted(gitDir, branch, commit)
  } catch (error) {
    if (!(error instanceof GitError)) throw error
    const tip = await askBranch(gitDir, remote, branch, env)
    if (tip === commit) return noted(gitDir, branch, commit)
    if (tip === undefined) throw error
    await fetchBranches(gitDir, remote, env)
    if (await isAncestor(gitDir, tip, commit)) throw error
    return { kind: 'moved', tip }
  }
}

/** Remembers what origin has. */
async function noted(gitDir: string, branch: string, commit: Sha): Promise<Pushed> {
  const ref = originRef(branch)
  if ((await resolve(gitDir, ref)) !== commit) await git(['update-ref', '--end-of-options', ref, commit], { gitDir })
  return { kind: 'pushed' }
}
