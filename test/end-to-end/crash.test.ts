import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { SLOWLY, startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeEach(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterEach(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

it('a command that was accepted survives kill -9 at once and ends in one result', async () => {
  const ids = await Promise.all([1, 2, 3].map((n) => client.post(`t${n}`, `write ${n}.txt: ${n}`, { commandId: `c${n}` })))
  await service.kill()
  await service.restart()
  for (const id of ids) expect(await client.result(id)).toMatchObject({ success: true, filesChanged: [`${id.slice(1)}.txt`] })
  for (const n of [1, 2, 3])
    expect((await client.git('log', '--format=%s', `thread-t${n}`)).split('\n').filter((subject) => subject === `Wrote ${n}.txt`)).toHaveLength(1)
})

it('what was written before kill -9 is committed, the leftovers are ended, and the command goes on with its conversation', async () => {
  const id = await client.post('crash', `run echo early > early.txt; setsid sleep 311 & echo started; sleep 312`)
  await client.event('crash', (event) => event.type === 'tool.started' && event.commandId === id)
  await sleeping(2)
  await service.kill()
  model.hold('sleep 312') // the second attempt gets no further than this
  await service.restart()
  await client.event('crash', (event) => event.type === 'run.started' && 'attempt' in event && event.attempt === 2)
  await sleeping(0)
  expect(await client.git('log', '-1', '--format=%s%n%(trailers:key=Outcome)', 'thread-crash')).toBe('Recovered after a crash\nOutcome: recovered')
  expect(await client.git('show', 'thread-crash:early.txt')).toBe('early')
  const prompt = JSON.stringify(await requestWith('branchline-note'))
  expect(prompt).toContain('stopped hard')
  expect(prompt).toContain(await client.git('rev-parse', 'thread-crash'))
})

it('a command that kills the service every time ends as failed after two attempts', async () => {
  const id = await client.post('killer', `tell ${SLOWLY}`)
  for (const attempt of [1, 2]) {
    await client.event('killer', (event) => event.type === 'agent.said' && event.runId === `${id}#${attempt}`)
    await service.kill()
    await service.restart()
  }
  expect(await client.result(id)).toMatchObject({ success: false, code: 'crashed', attempt: 2 })
  expect(await client.run('killer', 'write ok.txt: fine')).toMatchObject({ success: true })
})

it('threads that begin together in a new workspace all succeed', async () => {
  const together = clientOf(service, 'together')
  const results = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((thread) => together.run(thread, `write ${thread}.txt: x`)))
  expect(results.map((result) => result.error)).toEqual(results.map(() => undefined))
})

it('a project whose name looks like a half-made file keeps its repository over a restart', async () => {
  const ids = { projectId: 'site.making-of' }
  const { commit } = await client.run('kept', 'write a.txt: a', ids)
  await service.restart()
  const { body } = await client.call('GET', `${client.thread('kept', 'files')}?projectId=site.making-of`)
  expect(body).toMatchObject({ commit, files: expect.arrayContaining([{ path: 'a.txt', bytes: 1 }]) })
})

it('pipes in the place of files that are read hold up neither a thread nor its saving', async () => {
  await client.run(
    'pipes',
    'run rm -f package.json .gitignore; mkfifo package.json .gitignore; mkdir d; mkfifo d/.gitattributes; rm -rf .git/HEAD; mkfifo .git/HEAD; echo kept > kept.txt',
  )
  expect(await client.run('pipes', 'write next.txt: next')).toMatchObject({ success: true, filesChanged: ['next.txt'] })
  expect(await client.git('show', 'thread-pipes:kept.txt')).toBe('kept')
  expect(await client.run('pipes', '', { type: 'build' })).toMatchObject({ code: 'rejected' })
  expect(await service.terminate()).toBe(0)
})

it('the conversation goes on after a restart', async () => {
  await client.run('talk', 'my favourite colour is green')
  expect(await service.terminate()).toBe(0)
  await service.restart()
  await client.run('talk', 'what did I say?')
  expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('my favourite colour is green')
})

it('SIGTERM in the middle of a run commits what is there, exits 0 and the command goes on at the next start', async () => {
  const hold = model.hold('then write late.txt')
  const id = await client.post('drain', 'write early.txt: early then write late.txt: late')
  await hold.reached
  const stopped = service.terminate()
  expect(await stopped).toBe(0)
  hold.release()
  await service.restart()
  expect(await client.result(id)).toMatchObject({ success: true, attempt: 1 })
  expect(await client.git('show', 'thread-drain:late.txt')).toBe('late')
  expect(await client.git('show', 'thread-drain:early.txt')).toBe('early')
})

it('the same command before, during and after its run gives one result and one commit', async () => {
  const hold = model.hold('hold-dup')
  const send = () => client.send('dup', 'write hold-dup.txt: once', { commandId: 'same' })
  const early = [send(), send(), send()]
  await hold.reached
  const during = [send(), send()]
  hold.release()
  const answers = await Promise.all([...early, ...during])
  const after = await send()
  for (const each of [...answers, after]) expect(each.body.result).toEqual(after.body.result)
  expect((await client.git('log', '--format=%s', 'thread-dup')).split('\n')).toEqual(['Wrote hold-dup.txt', 'Begin'])
  await service.kill()
  await service.restart()
  expect((await send()).body.result).toEqual(after.body.result)
  const other = await client.send('dup', 'write hold-dup.txt: twice', { commandId: 'same' })
  expect(other.status).toBe(409)
  expect(other.body.errors[0].pointer).toBe('#/commandId')
})

it('a second service on the same folder says who holds it and changes nothing', async () => {
  const { workspace } = service
  await expect(startService({ workspace: join(workspace, '..') })).rejects.toThrow(/in use by another Branchline \(process \d+/)
  expect(await client.run('still', 'write a.txt: a')).toMatchObject({ success: true })
})

it('agents kill -9ed in the middle are started again and go on', async () => {
  const hold = model.hold('hold-agent')
  const id = await client.post('agent', 'write hold-agent.txt: done')
  await hold.reached
  for (const pid of await agents()) process.kill(pid, 'SIGKILL')
  hold.release()
  const result = await client.result(id)
  expect(result.error).toBeUndefined()
  expect(result).toMatchObject({ success: true, attempt: 2 })
})

async function agents(): Promise<readonly number[]> {
  return (await processes())
    .filter(({ line, environment }) => line.includes('/claude\0') && environment.includes(client.repository.split('/acme/')[0] ?? '?'))
    .map(({ pid }) => pid)
}

async function sleeping(count: number): Promise<void> {
  while ((await processes()).filter(({ line }) => /^sleep\0+31[12]\0/.test(line)).length !== count) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function processes() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      line: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => ''),
      environment: await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''),
    })),
  )
}

async function requestWith(text: string): Promise<object> {
  for (;;) {
    const found = model.requests.find((request) => JSON.stringify(request.messages).includes(text))
    if (found !== undefined) return found.messages
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
