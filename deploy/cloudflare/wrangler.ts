import { spawn } from 'node:child_process' // oxlint-disable-line no-restricted-imports -- this folder is a package of its own; see local-containers.ts
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'

/** The program, to be run by Node. */
export const WRANGLER = join(import.meta.dirname, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
/** It tells nobody how it is used, and asks for nothing that is not needed. */
export const QUIET = { WRANGLER_SEND_METRICS: 'false', NO_UPDATE_NOTIFIER: '1' }

/** The environment of this process, for programs that are started and what they find in it (CLOUDFLARE_API_TOKEN). */
export const environment = process.env // oxlint-disable-line no-restricted-properties -- config.ts is of the service

/** Wrangler has failed, after saying why. */
export class WranglerFailed extends Error {
  override readonly name = 'WranglerFailed'
}

/** Runs it with what it says going to whoever started us. @throws WranglerFailed */
export async function wrangler(...args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [WRANGLER, ...args], { cwd: import.meta.dirname, stdio: 'inherit', env: { ...environment, ...QUIET } })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new WranglerFailed(`wrangler ${args[0] ?? ''} failed; the reason is above.`)
}

export interface Answer {
  readonly succeeded: boolean
  readonly answer: string
  /** What it complained of. */
  readonly complaint: string
}

/** Runs it for what it answers. */
export async function wranglerAnswer(...args: readonly string[]): Promise<Answer> {
  const child = spawn(process.execPath, [WRANGLER, ...args], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment, ...QUIET } })
  const [answer, complaint, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { succeeded: code === 0, answer, complaint: `${complaint}${code === 0 ? '' : answer}`.trim() }
}

/** What programs that are started on this machine need of its environment; nothing that is meant for a service of its own. */
export const machineEnvironment = (): Record<string, string> => {
  const names = [
    'PATH',
    'HOME',
    'LANG',
    'NODE_COMPILE_CACHE',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'npm_execpath',
    'npm_config_registry',
    'npm_config_cafile',
  ]
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))
}
