import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SYSTEM_PATH } from '../git/git.ts'

/** No npm can be found. */
export class NoNpm extends Error {
  constructor() {
    super('npm cannot be found; dependencies of sites are installed with it. Install npm, or start the service with `npm start`.')
    this.name = 'NoNpm'
  }
}

/**
 * `npm-cli.js`, which is run by this very Node: the one that started us, else the one beside this Node, else the system's.
 *
 * @throws NoNpm
 */
export function findNpm(startedBy: string | undefined): string {
  const beside = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  const onPath = SYSTEM_PATH.split(':').map((folder) => join(folder, 'npm'))
  const candidates = [startedBy, beside, ...onPath].filter((path) => path !== undefined && existsSync(path)).map((path) => realpathSync(path ?? ''))
  const found = candidates.find((path) => path.endsWith('npm-cli.js'))
  if (found === undefined) throw new NoNpm()
  return found
}
