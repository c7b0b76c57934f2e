// Runs a program of this project on Node 24, whatever Node started it, with its dependencies installed.
//
//   node scripts/with-node.js [--dev] FILE [ARGUMENT…]
//
// It runs on old versions of Node, so it is plain JavaScript without dependencies. What it sets up once: Node 24 from the
// npm registry, in a cache of the user, where the machine has none; the packages of package-lock.json, with --dev those for
// tests too. Nothing is done twice: a stamp in node_modules says what is there.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const wanted = readFileSync(join(root, '.node-version'), 'utf8').trim()
const args = process.argv.slice(2)
const dev = args[0] === '--dev'
if (dev) args.shift()

const say = (text) => process.stderr.write(`branchline: ${text}\n`)
const fail = (text) => {
  say(text)
  process.exit(1)
}
const majorOf = (version) => Number(version.split('.')[0])

/** Runs npm with a given Node, without what the npm that started us says of itself. */
function npm(node, npmArgs, cwd) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package_|lifecycle_|config_prefix$|config_local_prefix$|command$)/.test(name)),
  )
  env.PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`
  const cli = npmCli()
  const done = spawnSync(node, [cli, ...npmArgs, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env, stdio: ['ignore', 2, 2] })
  return done.status === 0
}

function npmCli() {
  if (process.env.npm_execpath && existsSync(process.env.npm_execpath)) return process.env.npm_execpath
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'npm'))
  const found = [join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'), ...onPath].find((path) => existsSync(path))
  if (!found) fail('npm cannot be found. Install npm and start again.')
  return realpathSync(found)
}

/** Node 24: the one that runs us, the one in the cache, or one fetched now. */
function findNode() {
  if (majorOf(process.versions.node) >= majorOf(wanted)) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const cache = cacheFolder()
  const place = join(cache, `node-${wanted}-${process.platform}-${process.arch}`)
  const node = join(place, 'node_modules', name, 'bin', 'node')
  if (existsSync(node)) return node
  const pinned = JSON.parse(readFileSync(join(root, 'scripts', 'node', 'package.json'), 'utf8')).optionalDependencies
  if (!pinned[name]) fail(`Node ${majorOf(wanted)} is needed, and this is Node ${process.versions.node}. Install it from https://nodejs.org and start again.`)
  say(`getting Node ${wanted} (52 MB, once) into ${cache}`)
  mkdirSync(cache, { recursive: true })
  const making = mkdtempSync(join(cache, '.making-'))
  cpSync(join(root, 'scripts', 'node'), making, { recursive: true })
  if (!npm(process.execPath, ['ci'], making) || !existsSync(join(making, 'node_modules', name, 'bin', 'node'))) {
    rmSync(making, { recursive: true, force: true })
    fail(`Node ${wanted} could not be fetched. Install Node ${majorOf(wanted)} yourself, or let npm reach its registry, and start again.`)
  }
  chmodSync(making, 0o755) // agents that run as users of their own use it too
  try {
    renameSync(making, place)
  } catch {
    rmSync(making, { recursive: true, force: true }) // another start was faster
  }
  return node
}

/** A folder of the user's; root's own is closed to the users that agents run as, so root has the system's. */
function cacheFolder() {
  if (!process.env.XDG_CACHE_HOME && process.getuid?.() === 0 && canWrite('/var/cache')) return '/var/cache/branchline'
  const base = process.env.XDG_CACHE_HOME || (homedir() && existsSync(homedir()) ? join(homedir(), '.cache') : '')
  return base ? join(base, 'branchline') : join(root, '.cache')
}

function canWrite(folder) {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The packages of the lockfile: those that running needs, or all of them. */
function install(node) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(`${process.platform} ${process.arch}`)
    .digest('hex')
  const stamp = join(root, 'node_modules', '.branchline-installed')
  const [installed, extent] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split(' ') : []
  if (installed === lock && (extent === 'dev' || !dev)) return
  const unlock = lockInstall()
  try {
    const [now, reaches] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split(' ') : []
    if (now === lock && (reaches === 'dev' || !dev)) return // another one has installed them meanwhile
    say(
      dev
        ? 'installing the packages, with those for tests (once; half a minute or more)'
        : 'installing the packages (once; about 200 MB to fetch, most of it Claude Code; half a minute or more)',
    )
    // A service may run from this folder: what it uses stays where it is when those for tests come to it.
    const how = now === lock ? ['install', '--no-save'] : ['ci', ...(dev ? [] : ['--omit=dev'])]
    if (!npm(node, how, root)) fail('the packages could not be installed; npm says why above. Mend that and start again.')
    writeFileSync(stamp, `${lock} ${dev ? 'dev' : 'run'}`)
  } finally {
    unlock()
  }
}

/** One install at a time: two of them would take away what the other one has just laid out. Answers what ends it. */
function lockInstall() {
  const path = join(root, '.installing')
  const sleeping = new Int32Array(new SharedArrayBuffer(4))
  for (let told = false; ;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      const unlock = () => rmSync(path, { force: true })
      process.on('exit', unlock)
      return unlock
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!isAlive(path)) rmSync(path, { force: true })
    else if (!told) say('another start installs the packages; waiting for it')
    told = true
    Atomics.wait(sleeping, 0, 0, 500)
  }
}

/** Whether the process that a lock names is there; one that is just being written names none yet. */
function isAlive(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    return pid === 0 || process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** The web console, for browsers: made of its sources whenever those are newer. */
function makeConsole(node) {
  const sources = join(root, 'src', 'console')
  const made = join(root, 'node_modules', '.branchline-console')
  const parts = [join(root, 'scripts', 'make-console.ts'), ...(existsSync(sources) ? readdirSync(sources).map((name) => join(sources, name)) : [])]
  const newest = Math.max(...parts.map((part) => (existsSync(part) ? statSync(part).mtimeMs : 0)))
  if (existsSync(made) && statSync(made).mtimeMs > newest) return
  const { status } = spawnSync(node, [join(root, 'scripts', 'make-console.ts')], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) say('the web console could not be made; everything else works')
}

const node = findNode()
install(node)
makeConsole(node)
const env = { ...process.env, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.compile-cache'), npm_execpath: npmCli() }
const argv = [node, ...args]
// Where it can, this process becomes the other one, so that signals have one place to go.
if (typeof process.execve === 'function' && process.platform !== 'win32') process.execve(node, argv, env)
const child = spawn(node, args, { stdio: 'inherit', env })
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT')) // a terminal tells the child itself
child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)))
