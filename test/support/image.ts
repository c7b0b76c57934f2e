import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Layers are kept from one run of the tests to the next. */
const STORE = '/var/tmp/branchline-image'
const PROGRAMS = { buildah: '/usr/bin/buildah', runc: '/usr/sbin/runc', mmdebstrap: '/usr/bin/mmdebstrap' }
/** What laid out images are called, with the process that laid them out. */
const MINE = 'branchline-test-'
const LARGE = 512 * 1024 * 1024
const PULL_MS = 20_000

/** The image as it was built: its files, and how it says that it is started. */
export interface Image {
  /** Its root file system, laid out. */
  readonly root: string
  readonly env: readonly string[]
  readonly user: string
  readonly command: readonly string[]
}

const buildah = async (...args: string[]): Promise<string> => {
  const { stdout } = await exec(PROGRAMS.buildah, ['--root', join(STORE, 'layers'), '--runroot', join(STORE, 'run'), '--storage-driver', 'overlay', ...args], {
    maxBuffer: LARGE,
    cwd: ROOT,
  })
  return stdout.trim()
}

/** Why no image can be built here, if none can. On a Debian where we are root, installs what builds and runs it, and has what it begins from. */
export async function noImage(): Promise<string | undefined> {
  const missing = await noPrograms()
  if (missing !== undefined) return missing
  try {
    await mkdir(STORE, { recursive: true })
    const probe = await buildah('from', 'scratch')
    await buildah('mount', probe)
    await buildah('rm', probe)
    await baseImage()
    return undefined
  } catch (error) {
    return `no image can be laid out here: ${error instanceof Error ? error.message.slice(-300) : ''}`
  }
}

async function noPrograms(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'images are built here as root on Linux only'
  if (Object.values(PROGRAMS).every((path) => existsSync(path))) return undefined
  if (!existsSync('/usr/bin/apt-get')) return `${Object.keys(PROGRAMS).join(', ')} are not installed`
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await exec('/usr/bin/apt-get', ['update', '-qq'], { env })
    await exec('/usr/bin/apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...Object.keys(PROGRAMS)], { env, maxBuffer: LARGE })
    return undefined
  } catch (error) {
    return `${Object.keys(PROGRAMS).join(', ')} could not be installed: ${error instanceof Error ? error.message.slice(0, 300) : ''}`
  }
}

/** Builds the image of this checkout, as `docker build` would, and lays it out. */
export async function buildImage(): Promise<Image> {
  await removeAbandoned()
  const base = await baseImage()
  const ignored = join('deploy', 'image', 'Dockerfile.dockerignore')
  const how = ['--isolation', 'chroot', '--pull-never', '--format', 'docker', '--layers', '--ignorefile', ignored, '--build-arg', `NODE_IMAGE=${base}`]
  await buildah('bud', ...how, '-f', join('deploy', 'image', 'Dockerfile'), '-t', 'localhost/branchline:test', '.')
  const container = await buildah('from', '--pull-never', '--name', `${MINE}${process.pid}`, 'localhost/branchline:test')
  const root = await buildah('mount', container)
  const { OCIv1 } = JSON.parse(await buildah('inspect', '--type', 'image', 'localhost/branchline:test'))
  const { Env: env, User: user, Entrypoint, Cmd } = OCIv1.config
  return { root, env, user, command: [...(Entrypoint ?? []), ...(Cmd ?? [])] }
}

/** What whoever pulls the image gets, compressed by zstd. */
export async function compressedBytes(): Promise<number> {
  const archive = join(STORE, 'image.tar')
  await rm(archive, { force: true })
  await buildah('push', '--quiet', '--compression-format', 'zstd', '--compression-level', '9', 'localhost/branchline:test', `oci-archive:${archive}`)
  const { size } = await stat(archive)
  await rm(archive)
  return size
}

/** Under which the image is told to the tests that are to run against it. */
export const TESTED_IMAGE = 'BRANCHLINE_TESTED_IMAGE'
/** Why there is none. */
export const NO_IMAGE = 'BRANCHLINE_NO_IMAGE'

/** The image that services are to be started from, in the project of that name; `undefined` where they are started from this checkout. */
export const testedImage = (): Image | undefined => {
  const told = process.env[TESTED_IMAGE]
  return told === undefined || process.env['TEST_PROJECT'] !== 'image' ? undefined : JSON.parse(told)
}

/** What this process has laid out is not mounted any more. */
export const removeLaidOut = async (): Promise<void> => void (await buildah('rm', `${MINE}${process.pid}`))

/** The same of processes that were killed; other runs of the tests may go on beside this one. */
async function removeAbandoned(): Promise<void> {
  const names = (await buildah('containers', '--noheading', '--format', '{{.ContainerName}}')).split('\n')
  const abandoned = names.filter((name) => name.startsWith(MINE) && !existsSync(`/proc/${name.slice(MINE.length)}`))
  if (abandoned.length > 0) await buildah('rm', ...abandoned)
}

/** `node:24-slim` itself where it can be pulled, else one like it: a minimal Debian, with Node and npm from the npm registry. */
async function baseImage(): Promise<string> {
  const named = /^ARG NODE_IMAGE=(\S+)$/m.exec(await readFile(join(ROOT, 'deploy', 'image', 'Dockerfile'), 'utf8'))?.[1] ?? ''
  for (const known of [named, STAND_IN]) if (await buildah('inspect', '--type', 'image', known).then(Boolean, () => false)) return known
  const pulled = await exec(
    PROGRAMS.buildah,
    ['--root', join(STORE, 'layers'), '--runroot', join(STORE, 'run'), '--storage-driver', 'overlay', 'pull', named],
    {
      timeout: PULL_MS,
    },
  ).then(
    () => true,
    () => false,
  )
  return pulled ? named : standIn()
}

const STAND_IN = 'localhost/node:24-slim'

async function standIn(): Promise<string> {
  const making = await mkdtemp(join(STORE, 'making-'))
  const [folder, npm] = [join(making, 'base'), join(making, 'npm')]
  // As Debian's own slim images: without documentation but for licences, and without the archives of apt.
  const slim = ['usr/share/doc/*', 'usr/share/man/*', 'usr/share/locale/*'].flatMap((path) => ['--dpkgopt', `path-exclude=/${path}`])
  const keep = ['--dpkgopt', 'path-include=/usr/share/doc/*/copyright', '--aptopt', 'Acquire::Languages "none"', '--aptopt', 'Dir::Cache::pkgcache ""']
  await exec(PROGRAMS.mmdebstrap, ['--variant=minbase', '--include=ca-certificates', ...slim, ...keep, 'bookworm', folder], { maxBuffer: LARGE })
  await mkdir(npm)
  await exec(process.execPath, [process.env['npm_execpath'] ?? '', 'pack', '--silent', 'npm@11', '--pack-destination', npm], { cwd: npm })
  const [archive = ''] = (await readdir(npm)).filter((name) => name.endsWith('.tgz'))
  await exec('tar', ['-xzf', archive], { cwd: npm })
  const modules = join(folder, 'usr/local/lib/node_modules')
  await mkdir(modules, { recursive: true })
  await copyFile(process.execPath, join(folder, 'usr/local/bin/node'))
  await chmod(join(folder, 'usr/local/bin/node'), 0o755)
  await rename(join(npm, 'package'), join(modules, 'npm'))
  for (const name of ['npm', 'npx']) await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(folder, 'usr/local/bin', name))
  // This machine may reach the registry through somebody whose certificate is its own.
  const certificates = process.env['NODE_EXTRA_CA_CERTS']
  if (certificates !== undefined) await cp(certificates, join(folder, 'etc/ssl/certs/ca-certificates.crt'), { dereference: true })
  const container = await buildah('from', 'scratch')
  await buildah('copy', '--quiet', container, folder, '/')
  const trust = certificates === undefined ? [] : ['--env', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt']
  await buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...trust, '--cmd', 'node', container)
  await buildah('commit', '--quiet', '--rm', container, STAND_IN)
  await rm(making, { recursive: true, force: true })
  return STAND_IN
}
