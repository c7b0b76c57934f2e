import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { SYSTEM_PATH } from '../git/git.ts'
import { removeTree } from '../process/remove-tree.ts'
import { run } from '../process/run.ts'
import { give } from '../workspace/files.ts'
import { previewSlot } from './names.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** Where builds leave their pages, of those that are known the first that has any. */
const OUTPUTS = ['dist/client', 'dist', 'build', 'out', '_site', '.output/public']

/** Where previews show the last good build, keeps what was built: the next build may empty its folder and fail. */
export async function keepBuilt({ home, record }: Thread, tools: Tools): Promise<void> {
  if (tools.preview.devServers) return
  const { workTree, preview } = home.paths
  const making = `${preview.built}.making`
  const as = previewSlot(record, tools).identity
  const options = { cwd: '/', as, umask: 0o007, env: { PATH: SYSTEM_PATH } }
  for (const output of OUTPUTS) {
    const from = join(workTree, output)
    // By the preview's user, so that nothing is read on the way that it may not read; links stay links.
    if ((await run('test', ['-f', join(from, 'index.html')], options)).code !== 0) continue
    await removeTree(making)
    await mkdir(making, { mode: 0o770 })
    await give(making, as)
    const { code, stderr } = await run('cp', ['-RP', '--', `${from}/.`, making], options)
    if (code !== 0) throw new Error(`what was built could not be kept: ${stderr.toString('utf8').slice(-500)}`)
    const former = `${preview.built}.former`
    await removeTree(former)
    await rename(preview.built, former).catch(() => {}) // there is none yet
    await rename(making, preview.built)
    await removeTree(former)
    return
  }
}
