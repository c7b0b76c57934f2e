import { readFileSync } from 'node:fs'
import { Usage } from '../explain.ts'
import type { AppConfig } from '../client.ts'
import type { Given } from './options.ts'
import { clientFor } from './send.ts'

/** Shows, enters and forgets the credentials of the GitHub App, in the vault of a running service. */
export async function config([verb = 'show']: readonly string[], given: Given): Promise<number> {
  const client = clientFor(given)
  switch (verb) {
    case 'show':
      return told(await client.config(), given)
    case 'set':
      return told(await client.setConfig(entered(given)), given)
    case 'clear':
      return told(await client.clearConfig(), given)
    default:
      throw new Usage(`config: ${JSON.stringify(verb)} is not known; say config, config set or config clear`)
  }
}

/** Secrets come from files: an argument would be seen by everybody on this machine. */
function entered(given: Given): object {
  const [key, secret, installation] = [given['private-key-file'], given['webhook-secret-file'], given['installation-id']]
  const fields = {
    ...(given['app-id'] === undefined ? {} : { appId: given['app-id'] }),
    ...(key === undefined ? {} : { privateKey: contentOf('private-key-file', key) }),
    ...(secret === undefined ? {} : { webhookSecret: secretsIn(contentOf('webhook-secret-file', secret)) }),
    ...(installation === undefined ? {} : { installationId: wholeNumber('installation-id', installation) }),
  }
  if (Object.keys(fields).length === 0) throw new Usage('config set: say what, by --app-id, --private-key-file, --webhook-secret-file or --installation-id')
  return fields
}

function contentOf(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Usage(`--${option}: ${file} cannot be read (${error instanceof Error ? error.message : String(error)})`)
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new Usage(`--${option}: must be a whole number, as GitHub shows it`)
  return Number(text)
}

const secretsIn = (text: string): readonly string[] => text.split(/\s+/).filter((each) => each !== '')

function told(shown: AppConfig, { json }: Given): number {
  if (json) {
    process.stdout.write(`${JSON.stringify(shown)}\n`)
    return 0
  }
  const { configured, appId, installationId, privateKey, webhookSecrets, slug, problem } = shown
  const lines = [
    ['app', appId === undefined ? 'none' : slug === undefined ? appId : `${appId}, @${slug}`],
    ...(privateKey === undefined ? [] : [['key', privateKey.fingerprint]]),
    ['secrets', String(webhookSecrets)],
    ...(installationId === undefined ? [] : [['installed', String(installationId)]]),
    ...(configured ? [] : [['missing', missing(shown)]]),
    ...(problem === undefined ? [] : [['problem', problem]]),
  ]
  process.stdout.write(lines.map(([name = '', text = '']) => `${name.padEnd(10)} ${text}\n`).join(''))
  return problem === undefined ? 0 : 1
}

const missing = ({ appId, privateKey, webhookSecrets }: AppConfig): string =>
  [appId === undefined ? 'app id' : '', privateKey === undefined ? 'private key' : '', webhookSecrets === 0 ? 'webhook secret' : ''].filter(Boolean).join(', ')
