import { execFile } from 'node:child_process'
import { chmod, mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { makeFailpoints, standIn } from '../support/failpoints.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { makeRepository } from '../support/repository.ts'
import { check } from './checker.ts'

const exec = promisify(execFile)

/** Why no small disk can be had here, if it cannot. */
async function obstacle(): Promise<string | undefined> {
  const folder = await temporaryFolder()
  try {
    await exec('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
    await exec('umount', [folder])
    return undefined
  } catch {
    return 'no tmpfs can be mounted'
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
const why = await obstacle()

describe.skipIf(why !== undefined)(`on a small disk${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let [folder, disk, origin, service, client]: [string, string, string, Service, Client] = ['', '', '', undefined!, undefined!]

  async function startOn(options: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    await exec('mount', ['-t', 'tmpfs', '-o', `${options},mode=1777`, 'tmpfs', disk])
    service = await startService({ workspace: disk, env: { REPO_URL: origin, DISK_RESERVE_MB: '16', ...standIn, ...env } })
    client = clientOf(service)
  }
  beforeEach(async () => {
    folder = await temporaryFolder()
    disk = join(folder, 'disk')
    await mkdir(disk)
    await chmod(disk, 0o755)
    origin = await makeRepository(join(folder, 'origin'))
  })
  afterEach(async () => {
    await service.kill()
    await exec('umount', ['-l', disk])
    await rm(folder, { recursive: true, force: true })
  })

  const ballast = (): string => join(disk, 'ballast')
  /** Takes what is free, but for `left` bytes. */
  async function fill(left: number): Promise<void> {
    const { bavail, bsize } = await statfs(disk)
    const count = `count=${Math.max(0, Math.floor((bavail * bsize - left) / 4096))}`
    await exec('dd', ['if=/dev/zero', `of=${ballast()}`, 'bs=4096', 'oflag=append', 'conv=notrunc', count]).catch(() => {}) // it is full
  }

  const healthy = async (): Promise<void> => {
    while ((await client.call('GET', '/health')).status !== 200) await new Promise((resolve) => setTimeout(resolve, 100))
  }

  it('the work of a run that filled the disk is committed with the room that was kept back, and then nothing more is accepted until there is room', async () => {
    await startOn('size=120m')
    expect(await client.run('full', 'write before.txt: before')).toMatchObject({ success: true })
    const result = await client.run('full', `write kept.txt: kept then run cat /dev/zero > ${ballast()} || true`)
    expect(result).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    expect(service.output()).toContain('reserve.used')
    await fill(0)
    const refused = await client.send('full', 'write more.txt: more', { commandId: 'refused' })
    expect(refused).toMatchObject({ status: 507, body: { success: false, error: expect.stringContaining('The disk of the service is full') } })
    const health = await client.call('GET', '/health')
    expect(health).toMatchObject({ status: 503, body: { status: 'full' } })
    await rm(ballast())
    await healthy()
    expect(await client.run('full', 'write more.txt: more', { commandId: 'refused' })).toMatchObject({ success: true, filesChanged: ['more.txt'] })
    expect(await check(service.workspace, { quiet: true })).toEqual([])
  })

  it('without a reserve nothing is lost either: the run is taken up again when there is room', async () => {
    const failpoints = await makeFailpoints(join(folder, 'failpoints'))
    await startOn('size=60m', { DISK_RESERVE_MB: '0', ...failpoints.env })
    await client.run('bare', 'write before.txt: before')
    const hold = failpoints.hold('run.carried_out')
    const id = await client.post('bare', `run head -c 300000 /dev/urandom > kept.bin`)
    await hold.reached()
    await fill(0)
    hold.release()
    while (!service.output().includes('run.broke')) await new Promise((resolve) => setTimeout(resolve, 20))
    await rm(ballast())
    expect(await client.result(id)).toMatchObject({ success: true, attempt: 2 })
    expect(await client.git('log', '--format=%s', '-1', 'thread-bare^', '--', 'kept.bin')).toBe('Recovered after a crash')
    expect(await check(service.workspace, { quiet: true })).toEqual([])
  })

  it('what the journal cannot record is refused, and accepted when it can', async () => {
    await startOn('size=60m', { DISK_RESERVE_MB: '0' })
    await client.run('one', 'write a.txt: a')
    await fill(0)
    const answers = []
    for (let n = 0; n < 200; n += 1)
      answers.push(await client.send('one', `write b${n}.txt: ${'b'.repeat(2000)}`, { wait: false, commandId: `b${n}`, delivery: 'queue' }))
    const refused = answers.findLast((answer) => answer.status >= 500)
    expect(refused).toMatchObject({ status: 503, body: { title: 'Not recorded' } })
    expect((await client.call('GET', '/health')).body.status).toBe('unwritable')
    await rm(ballast())
    expect((await client.call('GET', '/health')).body.status).toBe('healthy')
    for (const [n, answer] of answers.entries()) {
      const known = await client.call('GET', `/api/commands/b${n}?clientId=acme`)
      expect([answer.status < 300, known.status]).toEqual([known.status === 200, answer.status < 300 ? 200 : 404])
    }
    for (const [n, answer] of answers.entries()) if (answer.status < 300) await client.result(`b${n}`)
    expect(await check(service.workspace, { quiet: true })).toEqual([])
  })

  it('without room for another file nothing is lost either', async () => {
    await startOn('size=200m,nr_inodes=2500')
    await client.run('names', 'write before.txt: before')
    const result = await client.run(
      'names',
      `write kept.txt: kept then run mkdir -p ${disk}/many; i=0; while touch ${disk}/many/$i 2>/dev/null; do i=$((i+1)); done`,
    )
    expect(result).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    await rm(join(disk, 'many'), { recursive: true })
    await healthy()
    expect(await client.run('names', 'write after.txt: after')).toMatchObject({ success: true, filesChanged: ['after.txt'] })
    expect(await check(service.workspace, { quiet: true })).toEqual([])
  })
})
