import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { endAll } from './end-all.ts'
import { processTable } from './table.ts'

const UID = 44_444
const root = process.platform === 'linux' && process.getuid?.() === 0
const why = root ? '' : ' (skipped: users are switched as root only)'

it.skipIf(!root)(`what starts itself anew faster than the process table can be read is ended${why}`, { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-anew-'))
  await chmod(folder, 0o755)
  const [gate, script] = [join(folder, 'gate'), join(folder, 'again.sh')]
  await writeFile(script, `[ -e ${gate} ] || exit\nsetsid /bin/sh $0 &\nsleep 0.03\n`)
  const living = async (): Promise<number> => (await processTable()).filter(({ uid }) => uid === UID).length
  try {
    for (let round = 0; round < 4; round += 1) {
      await writeFile(gate, '')
      await once(spawn('/bin/sh', [script], { uid: UID, gid: UID, cwd: '/', env: {}, detached: true, stdio: 'ignore' }), 'exit')
      await endAll({ slot: 'anew', identity: { uid: UID, gid: UID } }, new Set([1]))
      // One look may miss what this is about.
      expect((await living()) + (await living()) + (await living())).toBe(0)
    }
  } finally {
    await rm(folder, { recursive: true, force: true }) // and what was missed ends by itself
  }
})
