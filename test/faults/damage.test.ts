import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ofTheDay } from '../support/by-day.ts'
import { clientOf, type Client } from '../support/client.ts'
import { makeFailpoints, standIn } from '../support/failpoints.ts'
import { commitAll, makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from './checker.ts'

const exec = promisify(execFile)
let [folder, origin, service, client]: [string, string, Service, Client] = ['', '', undefined!, undefined!]

beforeEach(async () => {
  folder = await temporaryFolder()
  origin = await makeRepository(join(folder, 'origin'))
  const workspace = join(folder, 'service')
  await mkdir(workspace)
  await chmod(workspace, 0o755)
  service = await startService({ workspace, env: { REPO_URL: origin, ...standIn }, destroyed: true })
  client = clientOf(service)
})
afterEach(async () => {
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
const journal = (): string => join(service.workspace, '.branchline', 'journal.sqlite')

describe('a start on a journal', () => {
  beforeEach(async () => {
    await client.run('one', 'write a.txt: a', { commandId: 'a' })
    await service.terminate()
  })
  const refuses = async (text: RegExp): Promise<void> => {
    await expect(service.restart()).rejects.toThrow(text)
  }

  it('that is gone refuses, and begins nothing anew', async () => {
    await rename(journal(), `${journal()}.away`)
    await refuses(/journal\.sqlite is missing or empty, though this folder has been used\. Put back a copy/)
    await rename(`${journal()}.away`, journal())
    await service.restart()
    expect(await client.result('a')).toMatchObject({ success: true })
  })

  it('that is empty refuses', async () => {
    await truncate(journal(), 0)
    await refuses(/is missing or empty/)
  })

  it('that lacks its end refuses', async () => {
    const { length } = await readFile(journal())
    await truncate(journal(), Math.floor(length / 2))
    await refuses(/cannot be read as a journal\. Put back a copy/)
  })

  it('with a page that was overwritten refuses', async () => {
    const content = await readFile(journal())
    for (let page = 4096; page < content.length; page += 4096) content.fill(0xee, page, page + 512)
    await writeFile(journal(), content)
    await refuses(/cannot be read as a journal/)
  })

  it('that is a folder refuses', async () => {
    await rm(journal())
    await mkdir(join(journal(), 'x'), { recursive: true })
    await refuses(/cannot be opened \(.*\)\. Nothing was changed/)
  })

  it('with a torn end of its log opens at the last whole record', async () => {
    await service.restart()
    await client.run('one', 'write b.txt: b', { commandId: 'b' })
    await service.kill()
    const log = `${journal()}-wal`
    const { length } = await readFile(log)
    await truncate(log, length - 2000)
    await service.restart()
    expect(await client.result('a')).toMatchObject({ success: true })
    expect(await client.run('one', 'write b.txt: b', { commandId: 'b' })).toMatchObject({ success: true })
    expect(await client.git('show', 'thread-one:b.txt')).toBe('b')
  })
})

describe('a repository', () => {
  beforeEach(async () => {
    await client.run('one', 'write a.txt: a')
    await client.run('two', 'write b.txt: b')
    await client.run('one', 'write c.txt: c')
  })
  const goesOn = async (): Promise<void> => {
    expect(await client.run('one', 'write next.txt: next')).toMatchObject({ success: true })
    expect(await client.run('two', 'write next.txt: next')).toMatchObject({ success: true })
    expect((await client.git('ls-tree', '--name-only', 'thread-one')).split('\n')).toEqual(['README.md', 'a.txt', 'c.txt', 'next.txt', 'src'])
    expect((await client.git('ls-tree', '--name-only', 'thread-two')).split('\n')).toEqual(['README.md', 'b.txt', 'next.txt', 'src'])
    expect((await exec('git', ['-C', client.repository, 'fsck', '--full'])).stderr).not.toMatch(/error|missing/)
    await client.git('symbolic-ref', 'HEAD')
  }
  const objectFile = async (name: string): Promise<string> => {
    const sha = await client.git('rev-parse', name)
    return join(client.repository, 'objects', sha.slice(0, 2), sha.slice(2))
  }

  const damages: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['an empty branch file', async () => writeFile(join(client.repository, 'refs/heads/thread-one'), '')],
    ['a branch that is gone', async () => rm(join(client.repository, 'refs/heads/thread-one'))],
    ['no HEAD', async () => rm(join(client.repository, 'HEAD'))],
    ['an empty HEAD', async () => writeFile(join(client.repository, 'HEAD'), '')],
    ['a last commit that is empty', async () => truncate(await objectFile('thread-one'), 0)],
    ['a tree that is gone', async () => rm(await objectFile('thread-one^{tree}'))],
    [
      'stale locks',
      async () => Promise.all(['HEAD.lock', 'packed-refs.lock', 'refs/heads/thread-one.lock'].map((name) => writeFile(join(client.repository, name), ''))),
    ],
  ]
  it.each(ofTheDay(damages, 3))('with %s is mended or made anew, and every file of its threads is there', async (_, damage) => {
    await service.kill()
    await damage()
    await service.restart()
    await goesOn()
  })

  it.each(['clone.filled', 'clone.moved'] as const)('that is made anew is there whole when the service is killed at %s of that', async (name) => {
    await service.kill()
    await rm(await objectFile('thread-one^{tree}'))
    const failpoints = await makeFailpoints(join(folder, 'failpoints'))
    failpoints.kill(name)
    await service.restart(failpoints.env)
    const sent = client.run('one', 'write next.txt: next', { commandId: 'next' }).catch(() => undefined)
    while (service.alive) await new Promise((resolve) => setTimeout(resolve, 20))
    await sent
    await service.restart()
    expect(await client.result('next')).toMatchObject({ success: true })
    await goesOn()
  })

  it('that was set aside is never taken for that of a project whose name is the beginning of its own', async () => {
    const aside = join(client.repository, '..', '.damaged', 'site-two-2026-01-31T23-59-59.999Z')
    await mkdir(aside, { recursive: true })
    expect(await client.run('fresh', 'write x.txt: x', { projectId: 'site' })).toMatchObject({ success: true })
    expect(await readdir(join(aside, '..'))).toEqual(['site-two-2026-01-31T23-59-59.999Z'])
  })

  it('with a file of a commit that is cut off is made anew when that is noticed, at the latest by a push', async () => {
    await service.kill()
    await truncate(await objectFile('thread-one:a.txt'), 3)
    await service.restart()
    expect(await client.run('one', '', { type: 'push' })).toMatchObject({ success: true, pushed: true })
    await goesOn()
  })

  it('that cannot be mended is kept aside, what was pushed comes from origin, and what is whole stays', async () => {
    await client.run('one', '', { type: 'push' })
    const [pushed, two] = [await client.git('rev-parse', 'thread-one'), await client.git('rev-parse', 'thread-two')]
    await service.kill()
    await rm(await objectFile('thread-one^{tree}'))
    await service.restart()
    await goesOn()
    expect(await client.git('rev-parse', 'thread-one^')).toBe(pushed)
    expect(service.output()).toContain('repository.set_aside')
    expect(await client.git('rev-parse', 'thread-two^')).toBe(two)
    expect(await readdir(join(client.repository, '..', '.damaged'))).toHaveLength(1)
  })
})

it('a journal that is moved away while the service runs is noticed, and nothing is acknowledged that the next start would not find', async () => {
  await client.run('one', 'write a.txt: a')
  await rename(journal(), `${journal()}.away`)
  expect(await client.send('one', 'write lost.txt: lost', { commandId: 'b' })).toMatchObject({ status: 503, body: { title: 'Not recorded' } })
  expect(await client.call('GET', '/health')).toMatchObject({ status: 503, body: { status: 'unwritable' } })
  await rename(`${journal()}.away`, journal())
  expect(await client.call('GET', '/health')).toMatchObject({ status: 200 })
  expect(await client.run('one', 'write kept.txt: kept', { commandId: 'b' })).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
})

it('a push that would rebase over what cannot be saved is refused, and so is going back over it', async () => {
  await client.run('big', 'write big.bin: small then write a.txt: a')
  await client.run('big', '', { type: 'push' })
  const tree = join(folder, 'elsewhere')
  await exec('git', ['clone', '-q', '-b', 'thread-big', origin, tree])
  await writeFile(join(tree, 'theirs.txt'), 'theirs')
  await commitAll(tree, 'from elsewhere')
  await exec('git', ['-C', tree, 'push', '-q', 'origin', 'thread-big'])
  const grown = await client.run('big', 'run head -c 60000000 /dev/zero > big.bin; echo precious >> big.bin; echo b > b.txt')
  expect(grown.skipped).toMatchObject([{ path: 'big.bin' }])
  for (const verb of ['push', 'undo']) {
    const { body } = await client.call('POST', client.thread('big', verb), {})
    expect(body.result).toMatchObject({ success: false, code: 'rejected', error: expect.stringContaining('big.bin cannot be saved') })
  }
  expect(await client.run('big', 'run tail -c 9 big.bin')).toMatchObject({ summary: expect.stringContaining('precious') })
})

it('a git that outlives its service is ended before anything is written', async () => {
  await client.run('slow', 'write a.txt: a')
  const [waits, go] = [join(folder, 'waits'), join(folder, 'go')]
  await writeFile(join(origin, 'hooks', 'pre-receive'), `#!/bin/sh\ntouch ${waits}; while [ ! -e ${go} ]; do sleep 0.05; done\n`, { mode: 0o755 })
  const id = await client.post('slow', '', { type: 'push' })
  while (!existsSync(waits)) await new Promise((resolve) => setTimeout(resolve, 20))
  const before = await gits()
  expect(before.length).toBeGreaterThan(0)
  await service.kill()
  await service.restart()
  expect((await gits()).filter((pid) => before.includes(pid))).toEqual([])
  await writeFile(go, '')
  expect(await client.result(id)).toMatchObject({ success: true, pushed: true })
  expect(await check(service.workspace, { quiet: true, origin })).toEqual([])
})

/** Processes of git that work on the repository. */
async function gits(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const environments = await Promise.all(pids.map(async (pid) => ({ pid, text: await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '') })))
  return environments.filter(({ text }) => text.includes(`GIT_DIR=${client.repository}`)).map(({ pid }) => pid)
}

it('a second service that finds the lock file gone takes over, and the first writes nothing more', async () => {
  await client.run('one', 'write a.txt: a')
  const id = await client.post('one', 'run sleep 1.5 then write stale.txt: stale')
  await client.event('one', (event) => event.type === 'tool.started' && event.commandId === id)
  const first = service.pid
  await rm(join(service.workspace, '.branchline', 'lock.db'))
  process.kill(first, 'SIGSTOP')
  await using second = await startService({ workspace: join(service.workspace, '..'), env: { REPO_URL: origin, ...standIn } })
  const ended = waitForExit(first)
  process.kill(first, 'SIGCONT')
  await ended
  expect(service.output()).toContain('another service has taken over')
  const later = clientOf(second)
  expect(await later.result(id)).toMatchObject({ success: true })
  await later.run('one', 'write more.txt: more')
  expect(await check(second.workspace, { quiet: true })).toEqual([])
})

async function waitForExit(pid: number): Promise<void> {
  const tail = spawn('tail', [`--pid=${pid}`, '-f', '/dev/null'])
  await once(tail, 'exit')
}
