import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** A file of the web console, as it is handed out. */
export interface ConsoleFile {
  readonly type: string
  readonly content: Buffer
  readonly zipped: Buffer
}

export interface Console {
  readonly page: ConsoleFile
  /** Scripts and styles, by name. */
  readonly files: ReadonlyMap<string, ConsoleFile>
}

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

/** Where it lies: in the npm package beside this, in a checkout where `scripts/make-console.ts` puts it. */
const FOLDER = import.meta.filename.endsWith('.js')
  ? join(import.meta.dirname, '..', '..', 'console')
  : join(import.meta.dirname, '..', '..', '..', 'node_modules', '.branchline-console')

/** Reads the console that was made at set-up, once; `undefined` where there is none. */
export function consoleReader(): () => Promise<Console | undefined> {
  let read: Promise<Console | undefined> | undefined
  return () => (read ??= readConsole())
}

async function readConsole(): Promise<Console | undefined> {
  const names: readonly string[] = await readdir(FOLDER).catch(() => [])
  const files = await Promise.all(
    names.map(async (name): Promise<readonly [string, ConsoleFile]> => {
      const content = await readFile(join(FOLDER, name))
      return [name, { type: `${TYPES[extname(name)] ?? 'application/octet-stream'}; charset=utf-8`, content, zipped: await promisify(gzip)(content) }]
    }),
  )
  const { 'index.html': page, ...others } = Object.fromEntries(files)
  return page === undefined ? undefined : { page, files: new Map(Object.entries(others)) }
}
