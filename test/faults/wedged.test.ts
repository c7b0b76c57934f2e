import { mkdirSync, rmdirSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { clientOf } from '../support/client.ts'
import { standIn } from '../support/failpoints.ts'
import { startService } from '../support/service.ts'
import { check } from './checker.ts'

const FREEZER = `/sys/fs/cgroup/freezer/branchline-test-${process.pid}`

/** A frozen process does not even die of SIGKILL. Why none can be had here, if none can. */
function obstacle(): string | undefined {
  try {
    mkdirSync(FREEZER)
    rmdirSync(FREEZER)
    return undefined
  } catch {
    return 'no freezer of control groups that may be written'
  }
}
const why = obstacle()

it.skipIf(why !== undefined)(
  `a thread with a process that cannot be ended is set aside and says so, others go on${why === undefined ? '' : ` (skipped: ${why})`}`,
  async () => {
    await using service = await startService({ env: { ...standIn } })
    const client = clientOf(service)
    const gate = join(service.workspace, '..', 'gate')
    const id = await client.post('stuck', `write kept.txt: kept then run setsid sleep 987 & while [ ! -e ${gate} ]; do sleep 0.05; done`)
    const pid = await pidOf('sleep\x00987')
    mkdirSync(FREEZER)
    try {
      await writeFile(join(FREEZER, 'cgroup.procs'), pid)
      await writeFile(join(FREEZER, 'freezer.state'), 'FROZEN')
      await writeFile(gate, '')
      const result = await client.result(id)
      expect(result).toMatchObject({ success: false, code: 'workspace_failed', error: expect.stringContaining(`(${pid}) cannot be ended`) })
      expect(await client.run('free', 'write free.txt: free')).toMatchObject({ success: true })
      expect(await client.run('stuck', '', { type: 'commit', instruction: 'too early' })).toMatchObject({ code: 'workspace_failed' })
      expect(await client.git('log', '--format=%s', 'thread-stuck')).toBe('Begin')
    } finally {
      await writeFile(join(FREEZER, 'freezer.state'), 'THAWED')
    }
    expect(await client.run('stuck', 'write after.txt: after')).toMatchObject({ success: true, filesChanged: ['after.txt', 'kept.txt'] })
    expect(await check(service.workspace, { quiet: true })).toEqual([])
    rmdirSync(FREEZER)
  },
)

it('an idle agent stands still, so that nothing in it acts while the service touches its files', async () => {
  await using service = await startService({ env: { ...standIn } })
  const client = clientOf(service)
  await client.run('idle', 'write a.txt: a')
  const states = async (): Promise<readonly string[]> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    const agents = await Promise.all(
      pids.map(async (pid) => ({ pid, is: (await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).includes(`HOME=${service.workspace}/`) })),
    )
    return Promise.all(agents.filter(({ is }) => is).map(async ({ pid }) => /\) (\S)/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''))
  }
  expect(await states()).toEqual(['T'])
  expect(await client.run('idle', 'write b.txt: b')).toMatchObject({ success: true })
  expect(await states()).toEqual(['T'])
})

async function pidOf(line: string): Promise<string> {
  for (;;) {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      if ((await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).startsWith(line)) return pid
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
