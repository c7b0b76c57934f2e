// Writes worker-configuration.d.ts, the types of what wrangler.jsonc binds: `npm run cf-typegen`. With --check says whether it is up to date.
import { resolve } from 'node:path'
import { installWrangler } from '../../scripts/folder-packages.ts'
import { wrangler, WranglerFailed } from './wrangler.ts'

const check = process.argv.includes('--check')

installWrangler(resolve(import.meta.dirname, '..', '..'))
// The variables of this machine are none of what is deployed.
await wrangler('types', '--include-runtime=false', '--env-file', '/dev/null', ...(check ? ['--check'] : [])).catch((error: unknown) => {
  if (!(error instanceof WranglerFailed)) throw error
  if (check) process.stderr.write('Run `npm run cf-typegen`.\n')
  process.exitCode = 1
})
