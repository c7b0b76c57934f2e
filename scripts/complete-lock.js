// Adds to a package-lock.json the platform packages that npm leaves out when the registry it asks lacks them, and without which
// `npm ci` refuses the very file that `npm install` wrote.
//
//   node scripts/complete-lock.js [--check] FOLDER…      after every `npm install`
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const check = process.argv[2] === '--check'
const folders = process.argv.slice(check ? 3 : 2)
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32', 'netbsd', 'openbsd', 'sunos', 'aix']
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32']
const part = (name, parts, otherwise) => parts.find((each) => new RegExp(`(^|[-/])${each}`).test(name)) ?? otherwise

let missing = 0
for (const folder of folders) {
  const file = join(folder, 'package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  const all = lock.packages
  for (const from of Object.values({ ...all })) {
    for (const [name, version] of Object.entries(from.optionalDependencies ?? {})) {
      if (Object.keys(all).some((at) => at.endsWith(`node_modules/${name}`))) continue
      missing += 1
      all[`node_modules/${name}`] = {
        version,
        optional: true,
        ...(from.dev && { dev: true }),
        os: [part(name, SYSTEMS, 'none')],
        cpu: [part(name, PROCESSORS, 'none')],
      }
    }
  }
  const [root, ...packages] = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = Object.fromEntries([root, ...packages])
  if (!check) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
}
if (check && missing > 0) {
  process.stderr.write(`package-lock.json lacks ${missing} platform packages; run: node scripts/complete-lock.js ${folders.join(' ')}\n`)
  process.exit(1)
}
