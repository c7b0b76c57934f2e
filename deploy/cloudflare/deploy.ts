// Puts Branchline on Cloudflare, or brings it up to date: `npm run deploy:cloudflare -- --env staging|production [--dry-run]`.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { installWrangler } from '../../scripts/folder-packages.ts'
import { MODEL_SECRETS } from './worker/settings.ts'
import { environment, wrangler, wranglerAnswer, WranglerFailed } from './wrangler.ts'

const HOW = `Usage: npm run deploy:cloudflare -- --env ENVIRONMENT [--dry-run]

  --env       staging (simulated unless you change that) or production: what deploy/cloudflare/wrangler.jsonc says of it
  --dry-run   only makes the bundle, in deploy/cloudflare/dist, and says what there would be; needs no account and no Docker

Cloudflare is signed in to by \`npx wrangler login\` in deploy/cloudflare, or by CLOUDFLARE_API_TOKEN. Docker builds the image.`

/** What cannot go on, said to the operator. */
class Refused extends Error {}

const Secrets = z.array(z.object({ name: z.string() }))
const say = (text: string): void => void process.stdout.write(`${text}\n`)

async function main(): Promise<void> {
  const { env, dryRun } = argumentsOf(process.argv.slice(2))
  installWrangler(resolve(import.meta.dirname, '..', '..'))
  if (dryRun) return wrangler('deploy', '--env', env, '--dry-run', '--containers-rollout=none', '--outdir', 'dist')
  if (!(await wranglerAnswer('whoami', '--json')).succeeded)
    throw new Refused('Nobody is signed in to Cloudflare.\nRun `npx wrangler login` in deploy/cloudflare, or set CLOUDFLARE_API_TOKEN.')
  const known = await secretsOf(env)
  const made = newSecrets(known)
  if (made['API_TOKEN'] !== undefined) say(`API_TOKEN of this Worker, which is not shown again:\n  ${made['API_TOKEN']}\n`)
  const folder = await mkdtemp(join(tmpdir(), 'branchline-deploy-'))
  try {
    const file = join(folder, 'secrets.json')
    await writeFile(file, JSON.stringify(made), { mode: 0o600 }) // no argument shows them
    await wrangler('deploy', '--env', env, ...(Object.keys(made).length === 0 ? [] : ['--secrets-file', file]))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  say(nextOf(env, made, new Set([...known, ...Object.keys(made)])))
}

function argumentsOf(args: string[]): { readonly env: string; readonly dryRun: boolean } {
  const options = { env: { type: 'string', short: 'e' }, 'dry-run': { type: 'boolean', default: false } } as const
  let values: { readonly env?: string | undefined; readonly 'dry-run': boolean }
  try {
    ;({ values } = parseArgs({ args, options }))
  } catch (error) {
    throw new Refused(`${error instanceof Error ? error.message : String(error)}\n\n${HOW}`)
  }
  if (values.env !== 'staging' && values.env !== 'production') throw new Refused(`--env: must be staging or production\n\n${HOW}`)
  return { env: values.env, dryRun: values['dry-run'] }
}

/** Cloudflare's code for a Worker that does not exist. */
const NO_WORKER = /\b10007\b/

/** Names of the secrets that are there; none where it was never deployed. Where that is not certain nothing goes on: another VAULT_KEY would lose the app. */
async function secretsOf(env: string): Promise<readonly string[]> {
  const { succeeded, answer, complaint } = await wranglerAnswer('secret', 'list', '--env', env, '--format', 'json')
  if (succeeded) return Secrets.parse(JSON.parse(answer)).map(({ name }) => name)
  if (NO_WORKER.test(complaint)) return []
  throw new Refused(`Which secrets there are could not be found out, so nothing was deployed:\n${complaint.slice(-1000)}`)
}

/** What is missing is made; a credential of the model is taken from the environment. */
function newSecrets(known: readonly string[]): Readonly<Record<string, string>> {
  const made = { API_TOKEN: randomBytes(24).toString('base64url'), VAULT_KEY: randomBytes(32).toString('base64') }
  const given = MODEL_SECRETS.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]] as const]))
  return Object.fromEntries([...Object.entries(made).filter(([name]) => !known.includes(name)), ...given])
}

function nextOf(env: string, made: Readonly<Record<string, string>>, known: ReadonlySet<string>): string {
  const key = made['VAULT_KEY'] === undefined ? [] : ['VAULT_KEY was made and is known to the Worker alone. Should it be lost, enter the GitHub App again.']
  const model = MODEL_SECRETS.some((name) => known.has(name))
    ? []
    : [
        `No credential of a model is set. Unless SIMULATION is true in wrangler.jsonc, set one, in deploy/cloudflare:\n  npx wrangler secret put ANTHROPIC_API_KEY --env ${env}`,
      ]
  return [...key, ...model, '\nNext: tell it which GitHub App it is, as docs/cloudflare.md says.'].join('\n')
}

main().catch((error: unknown) => {
  process.exitCode = 1
  if (error instanceof Refused || error instanceof WranglerFailed) return process.stderr.write(`\n${error.message}\n`)
  throw error
})
