// Every check and every test: `npm test`. Its last line counts the tests; a failed check counts as a failed test.
//   npm test -- unit         one project alone
//   npm test -- crash        the files whose name holds that word
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check } from './check.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const [first, ...rest] = process.argv.slice(2)
const project = first === 'unit' || first === 'end-to-end' ? ['--project', first, ...rest] : first === undefined ? [] : [first, ...rest]

const failed = first === undefined ? check() : []
const args = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...project]
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: { ...process.env, BRANCHLINE_FAILED_CHECKS: failed.join(', ') } })
process.exitCode = failed.length === 0 ? (status ?? 1) : 1
