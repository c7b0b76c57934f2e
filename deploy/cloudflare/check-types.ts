// Whether worker-configuration.d.ts is what `npm run cf-typegen` makes of wrangler.jsonc.
import { wrangler, WranglerFailed } from './wrangler.ts'

await wrangler('types', '--include-runtime=false', '--env-file', '/dev/null', '--check').catch((error: unknown) => {
  if (!(error instanceof WranglerFailed)) throw error
  process.stderr.write('Run `npm run cf-typegen` in deploy/cloudflare.\n')
  process.exitCode = 1
})
