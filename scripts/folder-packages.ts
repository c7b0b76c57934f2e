import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** npm as `scripts/with-node.js` names it, run by the Node that runs us. */
export function npmCommand(): readonly [program: string, ...args: string[]] {
  const cli = process.env['npm_execpath']
  return cli?.endsWith('.js') === true ? [process.execPath, cli] : ['npm']
}

/**
 * Installs the packages of a folder that has a lockfile of its own, where they are not as that says.
 *
 * @param what what is installed, for whoever waits
 * @throws Error where npm cannot
 */
export function installFolder(folder: string, what: string): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const stamp = join(folder, 'node_modules', '.branchline-installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  process.stderr.write(`branchline: installing ${what}\n`)
  const [program, ...args] = [...npmCommand(), 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  if (spawnSync(program, args, { cwd: folder, stdio: ['ignore', 2, 2] }).status !== 0)
    throw new Error(`The packages of ${folder} could not be installed; npm says why above.`)
  writeFileSync(stamp, lock)
}

/** What is deployed is not installed with the others. */
export const installCdk = (root: string): void => installFolder(join(root, 'deploy', 'aws'), 'the CDK (once; about 220 MB)')
export const installWrangler = (root: string): void => installFolder(join(root, 'deploy', 'cloudflare'), 'Wrangler and workerd (once; about 460 MB)')
