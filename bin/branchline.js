#!/usr/bin/env node
// `npx branchline …`: the sources in a checkout, else the packed program.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const packed = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
if (!existsSync(fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)))) {
  if (Number(process.versions.node.split('.')[0]) < 24) {
    process.stderr.write(`branchline needs Node 24 or newer; this is Node ${process.versions.node}.\n`)
    process.exit(1)
  }
  await import(packed)
} else {
  process.argv.splice(2, 0, fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)))
  await import('../scripts/with-node.js')
}
