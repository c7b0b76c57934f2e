// Started as a program of its own, as the preview's user, in the work tree: serves the site by the Astro that is installed there.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What the service hands over, as JSON in the first argument. */
export interface AstroLaunch {
  readonly root: string
  readonly port: number
  /** A folder for caches, outside of the work tree. */
  readonly cache: string
}

/** Stands in addresses of pages, so it is of plain letters. */
const NOTHING = 'virtual:branchline-nothing'

interface ViteConfig {
  server?: { hmr?: boolean | { port?: number; clientPort?: number } }
}

/**
 * A site may have a port of its own for the HMR socket, and two threads of it would want the same one. The socket stays on the
 * server's own port, and pages go on asking for it at theirs, where the gateway answers.
 */
const oneSocket = {
  name: 'branchline:one-socket',
  enforce: 'post',
  config({ server }: ViteConfig): void {
    if (typeof server?.hmr !== 'object' || server.hmr.port === undefined) return
    server.hmr.clientPort ??= server.hmr.port
    delete server.hmr.port
  },
}

/**
 * Astro writes into a page which file each element comes from only where its toolbar is on. The console asks for that when somebody picks
 * an element; nobody is to see the toolbar, whose script would take those names out of the page again.
 */
const noToolbar = {
  name: 'branchline:no-toolbar',
  enforce: 'pre',
  resolveId: (id: string): string | undefined => (id === NOTHING || /^astro\/.*\bdev-toolbar\/entrypoint\b/.test(id) ? NOTHING : undefined),
  load: (id: string): string | undefined => (id === NOTHING ? 'export {}' : undefined),
}

/** Why it does not start, in the way in which Astro says everything else. */
function fail(error: unknown): void {
  const detail = (name: string): unknown => (error instanceof Error ? Reflect.get(error, name) : undefined)
  const loc = detail('loc')
  const { file, line, column } = { file: detail('id'), line: undefined, column: undefined, ...(typeof loc === 'object' ? loc : {}) }
  const place = [file, line, column].filter((part) => typeof part === 'string' || typeof part === 'number').join(':')
  const message = error instanceof Error ? error.message : String(error)
  const said = { message: `${place === '' ? '' : `${place}: `}${message}`, label: 'start', level: 'error' }
  process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(1))
}

/** Older ones have another option of that name. */
function speaksJson(): boolean {
  try {
    return resolve('astro/logger/json') !== ''
  } catch {
    return false
  }
}

const { root, port, cache }: AstroLaunch = JSON.parse(process.argv[2] ?? '')
const { resolve } = createRequire(join(root, 'package.json'))
const { dev } = await import(pathToFileURL(resolve('astro')).href)
await dev({
  root,
  cacheDir: join(cache, 'astro'),
  devToolbar: { enabled: true },
  ...(speaksJson() ? { logger: { entrypoint: 'astro/logger/json' } } : {}),
  server: { port, host: '127.0.0.1' },
  vite: { cacheDir: join(cache, 'vite'), server: { strictPort: true, fs: { allow: [root, cache] } }, plugins: [oneSocket, noToolbar] },
}).catch(fail)
