import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loopback, type Config } from './config.ts'
import { HostLabels } from './engine/host-labels.ts'
import type { PreviewRules } from './engine/tools.ts'
import type { Journal } from './journal/journal.ts'
import type { Log } from './observe/log.ts'
import { messageOf } from './observe/text.ts'
import { Access } from './preview/access.ts'
import { Gateway, type GatewayOptions, type Target } from './preview/gateway.ts'
import { findChromium } from './preview/picture.ts'
import { Previews } from './preview/previews.ts'
import type { Sandbox } from './process/sandbox.ts'
import { PortTaken } from './ways/http/server.ts'
import { writeAtomically } from './workspace/files.ts'

const BACK_OFF_MS = 500
const KEY_BYTES = 32

interface Parts {
  readonly own: string
  readonly npm: string
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  readonly sandbox: Sandbox
  readonly askerOf: GatewayOptions['askerOf']
  readonly journal: Journal
  readonly log: Log
}

export interface Showing extends AsyncDisposable {
  readonly previews: Previews
  readonly rules: PreviewRules
  /** Signs links, where previews need one. */
  readonly access: Access | undefined
  /** `http://localhost:4321`, where previews are shown. */
  readonly url: string | undefined
  /** Where previews are, as a content security policy names it. */
  readonly origins: string | undefined
  /** What the gateway finds previews by, once there is an engine that knows them. */
  find: (label: string | undefined) => Promise<Target | undefined>
  /** Where the console is, once the HTTP API listens. */
  serviceUrl: string | undefined
}

/** Builds what shows the sites of threads, and opens its door. @throws PortTaken */
export async function assemblePreviews(config: Config, { own, journal, log, ...starting }: Parts): Promise<Showing> {
  await using parts = new AsyncDisposableStack()
  const kept = { keep: config.PREVIEWS_KEPT, memoryReserve: config.MEMORY_RESERVE_MB * 1_000_000, idleMs: config.PREVIEW_IDLE, backOffMs: BACK_OFF_MS }
  const previews = parts.use(new Previews({ npm: starting.npm, path: starting.path, env: starting.env, sandbox: starting.sandbox, ...kept }))
  const domain = config.PREVIEW_DOMAIN
  const exposed = (domain !== undefined || !loopback(config.HOST)) && config.PREVIEW_ACCESS === 'link'
  const access = exposed ? new Access(await linkKey(own), domain !== undefined) : undefined
  const showing: Pick<Showing, 'find' | 'serviceUrl'> = { find: async () => undefined, serviceUrl: undefined }
  const allowed = config.ALLOWED_HOSTS.split(',').map((name) => name.trim().toLowerCase())
  const names = [config.HOST, ...allowed].filter((name) => name !== '')
  const consoles = (): readonly string[] => (showing.serviceUrl === undefined ? [] : consoleOrigins(showing.serviceUrl, allowed, config.PUBLIC_URL))
  const find: Showing['find'] = (label) => showing.find(label)
  const gateway = parts.use(new Gateway({ hosts: { domain, names }, log, access, askerOf: starting.askerOf, find, consoles }))
  const port = config.ASTRO_PORT === 'off' ? undefined : await open(gateway, config.HOST, config.ASTRO_PORT)
  if (port !== undefined && config.HMR_PORT !== 'off' && (config.HMR_PORT === 0 || config.HMR_PORT !== port)) {
    // Most sites have no use for it, so another program that has the port keeps nobody from starting.
    await gateway.listen(config.HOST, config.HMR_PORT, true).catch((error: unknown) => log.warn({ event: 'hmr_port.not_open', error: messageOf(error) }))
  }
  const labels = new HostLabels(journal)
  const rules: PreviewRules = {
    on: port !== undefined,
    devServers: config.ASTRO_DEV_MODE,
    autoRepair: config.AUTO_REPAIR,
    browser: config.PICTURES ? findChromium() : undefined,
    labels,
    urlOf: async (ref) => {
      const label = port === undefined ? undefined : await labels.labelOf(ref)
      if (label === undefined) return undefined
      return domain === undefined ? `http://${label}.localhost:${port}/` : `https://${label}.${domain}/`
    },
  }
  const started = parts.move()
  return Object.assign(showing, {
    previews,
    rules,
    access,
    origins: port === undefined ? undefined : domain === undefined ? `http://*.localhost:${port}` : `https://*.${domain}`,
    url: port === undefined ? undefined : `http://localhost:${port}/`,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  })
}

/** Origins that the console has for browsers: those of this machine, by the port that it listens on, and those by which proxies lead to it. */
function consoleOrigins(serviceUrl: string, allowed: readonly string[], publicUrl: string | undefined): readonly string[] {
  const { origin, port } = new URL(serviceUrl)
  const own = ['localhost', '127.0.0.1', ...allowed].map((name) => `http://${name}:${port}`)
  const urls = [origin, ...own, ...allowed.map((name) => `https://${name}`), publicUrl ?? '']
  return [...new Set(urls.flatMap((url) => URL.parse(url)?.origin ?? []))]
}

async function open(gateway: Gateway, host: string, port: number): Promise<number> {
  try {
    return await gateway.listen(host, port)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') throw new PortTaken(host, port, 'ASTRO_PORT')
    throw error
  }
}

/** Signs links to threads, previews and pictures. Made once for a workspace folder, so that they outlive a restart. */
export async function linkKey(own: string): Promise<Buffer> {
  const path = join(own, 'preview-links.key')
  const known = await readFile(path).catch(() => undefined) // it is made now
  if (known?.length === KEY_BYTES) return known
  const made = randomBytes(KEY_BYTES)
  await writeAtomically(path, made)
  return made
}
