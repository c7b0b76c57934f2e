// Makes the web console out of `src/console`, for browsers, which take no TypeScript:
//
//   node scripts/make-console.ts [FOLDER]
//
// Names of files hold a hash of what is in them, so that a browser may keep them for ever; `index.html` names them.
import { build, type BuildOptions } from 'esbuild'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'

const sources = join(import.meta.dirname, '..', 'src', 'console')
const target = resolve(process.argv[2] ?? join(import.meta.dirname, '..', 'node_modules', '.branchline-console'))

const options: BuildOptions = {
  entryPoints: { console: join(sources, 'main.tsx'), style: join(sources, 'console.css') },
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  chunkNames: 'part-[hash]',
  outdir: target,
}
const { outputFiles, metafile } = await build({ ...options, write: false, metafile: true })
function named(pattern: RegExp): string {
  const found = outputFiles.map(({ path }) => basename(path)).find((name) => pattern.test(name))
  if (found === undefined) throw new Error(`nothing was made that is called ${pattern.source}`)
  return found
}
const page = (await readFile(join(sources, 'index.html'), 'utf8'))
  // What the script begins with is fetched beside it, and not after it.
  .replace('</head>', `${preloads().join('')}</head>`)
  .replace('console.css', named(/^style-.*\.css$/))
  .replace('console.js', named(/^console-.*\.js$/))

function preloads(): readonly string[] {
  const script = Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint?.endsWith('main.tsx'))
  const first = (script?.imports ?? []).filter(({ kind }) => kind === 'import-statement')
  return first.map(({ path }) => `<link rel="modulepreload" href="/console/${basename(path)}" />`)
}

// Laid out beside and then put into its place, so that nobody reads half of it.
const making = `${target}.${process.pid}.making`
await mkdir(making, { recursive: true })
for (const { path, contents } of outputFiles) await writeFile(join(making, basename(path)), contents)
await writeFile(join(making, 'index.html'), page)
await rm(target, { recursive: true, force: true })
await rename(making, target)
