// Every check there is, each by name: `npm run check`. With --fix the formatter writes what it would complain about.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installCdk, installWrangler } from './folder-packages.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const fix = process.argv.includes('--fix')

const CHECKS: readonly (readonly [name: string, program: string, ...args: string[]])[] = [
  ['format', bin('oxfmt'), ...(fix ? [] : ['--check']), '.'],
  ['lint and types', bin('oxlint'), '--type-aware', '--type-check'],
  ['unused code', bin('knip'), '--no-progress'],
  ['Dockerfile', bin('dockerfile-utils'), 'lint', 'deploy/image/Dockerfile'],
  ['lockfiles', process.execPath, 'scripts/complete-lock.js', '--check', '.', 'examples/site', 'deploy/aws', 'deploy/cloudflare'],
  ['types of the Worker', process.execPath, 'deploy/cloudflare/types.ts', '--check'],
  ['documents', process.execPath, 'scripts/documents.ts', ...(fix ? ['--fix'] : [])],
]

/** Runs all checks; answers the names of those that failed. */
export function check(): readonly string[] {
  // Packages of their own, whose types are checked too.
  installCdk(root)
  installWrangler(root)
  const failed: string[] = []
  for (const [name, program, ...args] of CHECKS) {
    const began = performance.now()
    const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit' })
    process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'}  ${name}  (${((performance.now() - began) / 1000).toFixed(1)} s)\n`)
    if (status !== 0) failed.push(name)
  }
  return failed
}

if (import.meta.main) process.exitCode = check().length === 0 ? 0 : 1
