// Makes `dist/`, JavaScript and declarations, for the npm package: Node takes no TypeScript below node_modules.
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const site = join(root, 'examples', 'site')
rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.pack.json'], { cwd: root, stdio: 'inherit' })
const made = spawnSync(process.execPath, [join(root, 'scripts', 'make-console.ts'), join(root, 'dist', 'console')], { cwd: root, stdio: 'inherit' })
// JavaScript already: browsers take it as it is.
cpSync(join(root, 'src', 'preview', 'in-page', 'in-page.js'), join(root, 'dist', 'preview', 'in-page', 'in-page.js'))
// What npm and Astro leave there is not of the site.
const names = globSync(['**', '**/.*'], { cwd: site, exclude: ['node_modules', 'dist', '.astro', '.env'] }).filter((name) =>
  statSync(join(site, name)).isFile(),
)
writeFileSync(join(root, 'dist', 'example.json'), JSON.stringify(Object.fromEntries(names.map((name) => [name, readFileSync(join(site, name), 'utf8')]))))
process.exitCode = names.length === 0 ? 1 : status || made.status || 0
