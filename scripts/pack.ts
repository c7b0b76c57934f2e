// Makes `dist/`, JavaScript and declarations, for the npm package: Node takes no TypeScript below node_modules.
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeConsole } from '../src/ways/http/console.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const site = join(root, 'examples', 'site')
rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.pack.json'], { cwd: root, stdio: 'inherit' })
const { page, script, style } = await makeConsole()
mkdirSync(join(root, 'dist', 'console'), { recursive: true })
for (const [name, text] of [
  ['index.html', page],
  ['console.js', script],
  ['console.css', style],
] as const)
  writeFileSync(join(root, 'dist', 'console', name), text)
// What npm and Astro leave there is not of the site.
const names = globSync(['**', '**/.*'], { cwd: site, exclude: ['node_modules', 'dist', '.astro', '.env'] }).filter((name) =>
  statSync(join(site, name)).isFile(),
)
writeFileSync(join(root, 'dist', 'example.json'), JSON.stringify(Object.fromEntries(names.map((name) => [name, readFileSync(join(site, name), 'utf8')]))))
process.exitCode = names.length === 0 ? 1 : (status ?? 1)
