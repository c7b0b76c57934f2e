import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The web console, as it is handed out. */
export interface Console {
  readonly page: string
  readonly script: string
  readonly style: string
}

const SOURCES = join(import.meta.dirname, '..', '..', 'console')

/** Makes the console of its sources; in the npm package it is made already. Browsers take no TypeScript. */
export async function makeConsole(): Promise<Console> {
  const page = await readFile(join(SOURCES, 'index.html'), 'utf8')
  if (import.meta.filename.endsWith('.js')) {
    const [script, style] = await Promise.all(['console.js', 'console.css'].map((name) => readFile(join(SOURCES, name), 'utf8')))
    return { page, script: script ?? '', style: style ?? '' }
  }
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: { console: join(SOURCES, 'main.tsx'), style: join(SOURCES, 'console.css') },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    outdir: SOURCES,
    write: false,
  })
  const made = (name: string): string => outputFiles.find(({ path }) => path.endsWith(name))?.text ?? ''
  return { page, script: made('console.js'), style: made('style.css') }
}
