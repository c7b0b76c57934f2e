import { createHash } from 'node:crypto'
import { chmod, lstat, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { RunFailure } from '../command/ending.ts'
import { printable } from '../observe/text.ts'
import type { Identities } from '../process/identity.ts'
import { readPlainFile } from '../process/plain-file.ts'
import { removeTree } from '../process/remove-tree.ts'
import { run } from '../process/run.ts'
import type { Identity } from '../process/start.ts'
import { SLOT_VARIABLE } from '../process/table.ts'
import { SYSTEM_PATH } from '../git/git.ts'
import { give } from './files.ts'

export interface InstallOptions {
  /** What processes of an install are marked with, so that a later start can end them. */
  readonly slot: string
  /** Folder of all installed sets of dependencies, one for each lockfile. */
  readonly store: string
  readonly identities: Identities
  /** `npm-cli.js`, run by this very Node. */
  readonly npm: string
  /** What reaches the network: proxies and certificates. */
  readonly networkEnv: Readonly<Record<string, string>>
  /** Whether packages may run scripts when they are installed. */
  readonly scripts: boolean
  readonly onProgress: (text: string) => void
  readonly stop?: AbortSignal | undefined
}

interface Manifests {
  readonly key: string
  readonly packageJson: Buffer
  readonly lockfile: Buffer | undefined
}

/** Longer manifests are none. */
const MANIFEST_BYTES = 20_000_000
const INSTALL_TIMEOUT_MS = 10 * 60_000

/** What a work tree depends on, or `undefined` where it has no `package.json` with dependencies. */
export async function readManifests(workTree: string): Promise<Manifests | undefined> {
  const read = (name: string): Promise<Buffer | undefined> => readPlainFile(join(workTree, name), MANIFEST_BYTES)
  const [packageJson, lockfile] = [await read('package.json'), await read('package-lock.json')]
  if (packageJson === undefined || !/"(dev|optional|peer)?[dD]ependencies"/.test(packageJson.toString('utf8'))) return undefined
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}\0`)
  // With a lockfile, scripts and the like may change in package.json without another install.
  for (const part of [relevant(packageJson), lockfile ?? Buffer.alloc(0)]) hash.update(part).update('\0')
  return { key: hash.digest('hex').slice(0, 32), packageJson, lockfile }
}

function relevant(packageJson: Buffer): string {
  try {
    const { dependencies, devDependencies, optionalDependencies, peerDependencies, overrides, workspaces } = JSON.parse(packageJson.toString('utf8'))
    return JSON.stringify([dependencies, devDependencies, optionalDependencies, peerDependencies, overrides, workspaces])
  } catch {
    return packageJson.toString('latin1')
  }
}

/** The marker in a work tree that says which set its `node_modules` is; outside it, where the agent does not write. */
const markerOf = (workTree: string): string => `${workTree}.dependencies`

/**
 * Whether a work tree has the dependencies of these manifests: linked from the store, or installed there by its agent, which is seen by
 * what npm notes of an install and is this thread's own.
 */
export async function areInstalled(workTree: string, manifests: Manifests): Promise<boolean> {
  const there = await lstat(join(workTree, 'node_modules')).catch(() => undefined)
  if (there?.isDirectory() !== true) return false
  const marker = await readFile(markerOf(workTree), 'utf8').catch(() => undefined)
  if (marker === manifests.key) return true
  const noted = await readPlainFile(join(workTree, 'node_modules', '.package-lock.json'), MANIFEST_BYTES)
  if (!holdsAll(packagesIn(noted), packagesIn(manifests.lockfile))) return false
  await writeFile(markerOf(workTree), manifests.key)
  return true
}

type Packages = Readonly<Record<string, { readonly version?: unknown; readonly optional?: unknown; readonly link?: unknown }>>

function packagesIn(lockfile: Buffer | undefined): Packages | undefined {
  try {
    return JSON.parse(lockfile?.toString('utf8') ?? '').packages ?? undefined
  } catch {
    return undefined
  }
}

/** What is optional may be missing: it may be for other machines. */
function holdsAll(noted: Packages | undefined, wanted: Packages | undefined): boolean {
  if (noted === undefined || wanted === undefined) return false
  return Object.entries(wanted).every(([path, entry]) => {
    const { version, optional, link } = { version: undefined, optional: undefined, link: undefined, ...entry }
    const found = Object.hasOwn(noted, path) ? noted[path] : undefined
    return path === '' || link === true || !path.startsWith('node_modules/') || (found === undefined ? optional === true : found?.version === version)
  })
}

/** True where `linkDependencies` would not have to install first. */
export async function isStored(store: string, key: string): Promise<boolean> {
  return (await stat(join(store, key)).catch(() => undefined)) !== undefined
}

/**
 * Installs a set of dependencies into the store, once for each lockfile, as the install user, with scripts off.
 *
 * @throws RunFailure `workspace_failed` with npm's last words
 */
export async function storeDependencies(manifests: Manifests, options: InstallOptions): Promise<void> {
  const { store, identities, onProgress, stop } = options
  if (await isStored(store, manifests.key)) return
  await mkdir(store, { recursive: true, mode: 0o755 })
  const owner = identities.install()
  const home = join(store, '.home')
  for (const folder of [home, join(home, 'tmp')]) {
    await mkdir(folder, { recursive: true, mode: 0o755 })
    await give(folder, owner)
  }
  const making = await mkdtemp(join(store, `.${manifests.key}.making-`))
  try {
    await chmod(making, 0o755)
    await give(making, owner)
    const names = ['package.json', ...(manifests.lockfile === undefined ? [] : ['package-lock.json'])]
    await writeFile(join(making, 'package.json'), manifests.packageJson)
    if (manifests.lockfile !== undefined) await writeFile(join(making, 'package-lock.json'), manifests.lockfile)
    for (const name of names) await give(join(making, name), owner)
    onProgress('Installing the dependencies of the site')
    await npm(manifests.lockfile === undefined ? 'install' : 'ci', making, home, options)
    for (const name of ['.vite', '.astro', '.cache']) await rm(join(making, 'node_modules', name), { recursive: true, force: true })
    await mkdir(join(making, 'node_modules'), { recursive: true })
    if (identities.level === 'same') await protect(join(making, 'node_modules'))
    await rename(making, join(store, manifests.key)).catch(async (error: unknown) => {
      if (!(await isStored(store, manifests.key))) throw error // another one was faster
    })
    onProgress('Dependencies are installed')
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  stop?.throwIfAborted()
}

/** Files of the store are read-only where the agent is the same user; its folders are not, so a link can be replaced. */
async function protect(folder: string): Promise<void> {
  await run('find', [folder, '-type', 'f', '-exec', 'chmod', 'a-w', '{}', '+'], { cwd: folder, env: { PATH: SYSTEM_PATH } })
}

async function npm(verb: 'ci' | 'install', cwd: string, home: string, options: InstallOptions): Promise<void> {
  const { code, stdout, stderr } = await run(
    process.execPath,
    [options.npm, verb, ...(options.scripts ? [] : ['--ignore-scripts']), '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'],
    {
      cwd,
      as: options.identities.install(),
      umask: 0o022,
      contained: true,
      env: {
        ...options.networkEnv,
        PATH: `${join(process.execPath, '..')}:${SYSTEM_PATH}`,
        HOME: home,
        // In the folder for everybody's temporary files an agent could have laid out what Node takes for npm's own code.
        TMPDIR: join(home, 'tmp'),
        NODE_DISABLE_COMPILE_CACHE: '1',
        npm_config_cache: join(home, 'cache'),
        // A package from git brings an .npmrc of its own; what that may name as a program is named here.
        npm_config_git: 'git',
        npm_config_script_shell: '/bin/sh',
        // A registry that cannot be reached is said soon, and not after minutes.
        npm_config_fetch_retry_mintimeout: '1000',
        npm_config_fetch_retry_maxtimeout: '5000',
        [SLOT_VARIABLE]: options.slot,
      },
      detached: true,
      timeoutMs: INSTALL_TIMEOUT_MS,
      stop: options.stop,
    },
  )
  if (code === 0) return
  const words = printable(`${stdout.toString('utf8')}\n${stderr.toString('utf8')}`.trim(), 2000)
  // npm refuses some lockfiles that npm itself has written, where the registry lacks packages for other platforms.
  if (verb === 'ci') return npm('install', cwd, home, options)
  throw new RunFailure('workspace_failed', `npm ${verb} failed: ${words}`)
}

/** Others may put something there meanwhile: no link of theirs is followed, and no file of theirs is taken for ours. */
async function writeOwn(path: string, content: Buffer, { uid, gid }: Identity): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(content)
  await file.chmod(0o664)
  if (uid !== undefined && gid !== undefined) await file.chown(uid, gid)
}

/**
 * Gives a work tree its own `node_modules`: hard links to the stored set, so a second thread costs neither time nor disk.
 * Packages that the agent installs or replaces become new files; the stored ones are read-only for it.
 */
export async function linkDependencies(workTree: string, key: string, slotNumber: number, { store, identities }: InstallOptions): Promise<void> {
  const [from, to] = [join(store, key, 'node_modules'), join(workTree, 'node_modules')]
  const making = `${to}.making`
  await removeTree(making)
  const as = identities.install(slotNumber)
  const { code, stderr } = await run(
    'cp',
    [process.platform === 'darwin' ? '-RPc' : '-RPl', ...(as.uid === undefined ? [] : ['--no-preserve=mode']), from, making],
    { cwd: store, env: { PATH: SYSTEM_PATH }, as, umask: 0o002 },
  )
  if (code !== 0) throw new Error(`${basename(from)} could not be linked: ${stderr.toString('utf8').slice(-500)}`)
  // npm rewrites this one in place, so each work tree has its own, which is its agent's.
  const noted = await readPlainFile(join(from, '.package-lock.json'), MANIFEST_BYTES)
  const lock = join(making, '.package-lock.json')
  await rm(lock, { force: true })
  if (noted !== undefined) await writeOwn(lock, noted, identities.agent(slotNumber))
  await removeTree(to)
  await rename(making, to)
  await writeFile(markerOf(workTree), key)
}
