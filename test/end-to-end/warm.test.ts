import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inFull } from '../support/by-day.ts'
import { clientOf, type Client } from '../support/client.ts'
import { standIn } from '../support/failpoints.ts'
import { startModel, type Model } from '../support/model.ts'
import { commitAll, makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from '../faults/checker.ts'

const exec = promisify(execFile)
let [model, service, client, folder, origin]: [Model, Service, Client, string, string] = [undefined!, undefined!, undefined!, '', '']

beforeAll(async () => {
  model = await startModel()
  folder = await temporaryFolder()
  origin = await makeRepository(join(folder, 'origin'))
  const env = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', REPO_URL: origin, SPARE_AGENT: 'true' }
  service = await startService({ env })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const agents = async (of: Client = client): Promise<{ readonly idle: number; readonly fresh: number }> => (await of.call('GET', '/health')).body.agents
const spare = (): Promise<void> => expect.poll(async () => (await agents()).fresh, { timeout: 20_000 }).toBe(1)

/** The agents' processes of this service, by the folder that they work in. */
async function processes(): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [line, environment] = await Promise.all(['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')))
    const slot = /BRANCHLINE_SLOT=(\w+)/.exec(environment ?? '')?.[1]
    if (line?.includes('/claude\0') === true && slot !== undefined && environment?.includes(service.workspace) === true) found.set(slot, Number(pid))
  }
  return found
}
const slotOf = async (thread: string): Promise<string> =>
  (await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: thread })).body.workspace.projectPath.split('/').at(-1)

/** Something new on a branch of origin, as somebody else pushes it. */
async function moveOrigin(branch: string, name: string): Promise<void> {
  const tree = join(folder, `clone-${name}`)
  await exec('git', ['clone', '-q', origin, tree])
  await exec('git', ['-C', tree, 'checkout', '-q', '-B', branch])
  await exec('sh', ['-c', `echo ${name} > ${tree}/${name}.txt; rm -f ${tree}/README.md`])
  await commitAll(tree, name)
  await exec('git', ['-C', tree, 'push', '-q', 'origin', branch])
}

describe('a spare slot', () => {
  it('is taken by the next new thread, with the agent that waits in it; the commit is the same as without', async () => {
    await client.run('first', 'write one.txt: 1')
    await spare()
    const waiting = await processes()
    const result = await client.run('second', 'write two.txt: 2')
    expect(result).toMatchObject({ success: true, filesChanged: ['two.txt'] })
    const slot = await slotOf('second')
    expect(waiting.has(slot)).toBe(true)
    expect((await processes()).get(slot)).toBe(waiting.get(slot))
    expect(await client.git('rev-parse', 'thread-second^')).toBe(await client.git('rev-parse', 'main'))
    expect(await client.git('diff', '--name-only', 'main', 'thread-second')).toBe('two.txt')
    expect((await client.run('second', 'run git log -1 --format=%s; git status --short; git branch')).summary).toMatch(/Wrote two\.txt[\s\S]*thread-second/)
    await spare()
  })
  it('has what origin has by then, and the branch that a thread asks for', async () => {
    await spare()
    await moveOrigin('main', 'moved')
    expect(await client.run('moved', 'run ls > seen.txt')).toMatchObject({ success: true, filesChanged: ['seen.txt'] })
    expect(await client.git('show', 'thread-moved:seen.txt')).toBe('moved.txt\nseen.txt\nsrc')
    await spare()
    await moveOrigin('other', 'elsewhere')
    expect(await client.run('other', 'run ls > seen.txt', { context: { branch: 'other' } })).toMatchObject({ success: true, filesChanged: ['seen.txt'] })
    expect(await client.git('show', 'thread-other:seen.txt')).toContain('elsewhere.txt')
  })
  it('is each thread’s own, however many begin at once', async () => {
    await spare()
    const names = ['a', 'b', 'c', 'd']
    const results = await Promise.all(names.map((name) => client.run(name, `write ${name}.txt: ${name}`)))
    expect(results.map(({ filesChanged }) => filesChanged)).toEqual(names.map((name) => [`${name}.txt`]))
    expect(new Set(await Promise.all(names.map(slotOf))).size).toBe(4)
  })
  it('outlives kill -9 of the service', async () => {
    await spare()
    await service.kill()
    await service.restart()
    client = clientOf(service)
    await spare()
    const waiting = await processes()
    expect(await client.run('after', 'write after.txt: x')).toMatchObject({ success: true, filesChanged: ['after.txt'] })
    expect(waiting.has(await slotOf('after'))).toBe(true)
    expect(await check(service.workspace, { quiet: false })).toEqual([])
  })
})

it('an agent is started when somebody begins to watch its thread, and takes the next message', async () => {
  await client.run('watched', 'write seen.txt: remember the milk')
  await service.restart()
  client = clientOf(service)
  const slot = await slotOf('watched')
  const stop = client.events('watched')
  await stop.next()
  await expect.poll(async () => (await processes()).has(slot), { timeout: 20_000 }).toBe(true)
  const pid = (await processes()).get(slot)
  expect(await client.run('watched', 'write more.txt: x')).toMatchObject({ success: true })
  expect((await processes()).get(slot)).toBe(pid)
  expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('remember the milk')
  await stop.return()
})

it('kill -9 of a waiting agent costs nothing but time', async () => {
  await client.run('killed', 'write seen.txt: remember the bread')
  const slot = await slotOf('killed')
  process.kill((await processes()).get(slot) ?? 0, 'SIGKILL')
  expect(await client.run('killed', 'write more.txt: x')).toMatchObject({ success: true, filesChanged: ['more.txt'] })
  expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('remember the bread')
})

describe('many threads', () => {
  const work = async (count: number, env: Readonly<Record<string, string>>): Promise<void> => {
    const rules = { ...standIn, CONCURRENCY: '4', MAX_RUNS: '4', INTERRUPTS_PER_MINUTE: '1000', FIRST_USER_ID: '47000' }
    await using many = await startService({ env: { ...rules, ...env } })
    const each = clientOf(many)
    const threads = Array.from({ length: count }, (_, n) => `t${n}`)
    let most = 0
    for (let from = 0; from < threads.length; from += 5) {
      const results = await Promise.all(threads.slice(from, from + 5).map((name) => each.run(name, `write ${name}.txt: x`)))
      expect(results.every(({ success }) => success)).toBe(true)
      most = Math.max(most, (await agents(each)).idle)
    }
    expect(most).toBeLessThanOrEqual(Number(env['AGENTS_KEPT']))
    if (env['MEMORY_RESERVE_MB'] !== undefined) await expect.poll(async () => (await agents(each)).idle, { timeout: 20_000 }).toBe(0)
  }
  it('keep as many agents as are allowed', async () => work(15, { AGENTS_KEPT: '3' }))
  it('keep none where memory is short, and all of them work', async () => work(inFull(15, 50), { AGENTS_KEPT: '50', MEMORY_RESERVE_MB: '1000000' }))
})
