// Makes `dist/`, JavaScript and declarations, for the npm package: Node takes no TypeScript below node_modules.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.pack.json'], { cwd: root, stdio: 'inherit' })
process.exitCode = status ?? 1
