import { reset, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { CommandId, ThreadId } from '../../../src/command/ids.ts'
import type { Command } from '../../../src/command/command.ts'
import { readSettings } from './settings.ts'
import { storesOf, type Stores } from './testing.ts'
import { takeStep, type StepTools } from './thread-step.ts'
import { Threads } from './threads.ts'

/** A container as its host and its service answer; each test changes what it is about. */
const box = {
  running: false,
  healthy: true,
  full: false,
  dies: false,
  fatal: false,
  onHealth: undefined as (() => Promise<void>) | undefined,
  draining: false,
  starts: 0,
  given: [] as { readonly job: { readonly command: { readonly maxCostUsd?: number } } }[],
  taken: 202,
  status: (): unknown => ({ job: { commandId: 'a', state: 'working', events: [] } }),
}
const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status })
const answer = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
  const request = new Request(input, init)
  const { hostname, pathname } = new URL(request.url)
  if (hostname === 'containers.invalid') {
    if (request.method === 'PUT') {
      if (box.full) return new Response('there is no container instance available', { status: 503 })
      box.running = !box.dies
      box.starts += 1
      return new Response('', { status: 201 })
    }
    if (request.method === 'DELETE') box.running = false
    return box.running ? new Response('http://box.invalid') : new Response('', { status: 404 })
  }
  if (hostname === 'box.invalid') {
    if (pathname === '/health') await box.onHealth?.()
    if (pathname === '/health') return json({ status: box.draining ? 'draining' : 'healthy' }, box.healthy && !box.draining ? 200 : 503)
    if (pathname === '/status') return json(box.status())
    if (box.fatal) {
      box.running = false
      throw new Error('it has ended')
    }
    box.given.push(await request.json())
    return json(box.taken === 202 ? {} : { detail: 'not this one' }, box.taken)
  }
  throw new Error(`nothing is at ${request.url}`)
}

beforeEach(() => {
  Object.assign(box, {
    dies: false,
    fatal: false,
    onHealth: undefined,
    draining: false,
    running: false,
    healthy: true,
    full: false,
    starts: 0,
    given: [],
    taken: 202,
    status: () => ({ job: { commandId: 'a', state: 'working', events: [] } }),
  })
  vi.spyOn(globalThis, 'fetch').mockImplementation(answer)
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  vi.spyOn(console, 'info').mockImplementation(() => {})
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await reset()
})

const command: Command = {
  clientId: 'acme',
  userId: 'github',
  projectId: 'site',
  threadId: ThreadId.parse('issue-7'),
  commandId: CommandId.parse('a'),
  sessionId: 's',
  timestamp: 1,
  type: 'edit',
  instruction: 'do it',
  mode: 'execute',
  delivery: 'interrupt',
  repoUrl: 'http://github.invalid/acme/site.git',
  attachments: [],
} as unknown as Command
const issue = { repository: { id: 1, owner: 'acme', name: 'site', defaultBranch: 'main' }, conflicted: [] }

/** Takes steps with a job, as its repository's object does, until a test has seen enough. */
async function steps(
  settings: Record<string, string>,
  until: (at: { readonly jobs: Stores['jobs']; readonly said: readonly string[] }) => boolean,
): Promise<{ readonly said: readonly string[] }> {
  return runInDurableObject(env.REPOSITORY.getByName('1'), async (_, { storage }) => {
    const { jobs, sessions, threads } = storesOf(storage)
    const said: string[] = []
    await jobs.accept(command, { way: 'github', from: 'x', to: '{}', id: 'a' }, Date.now())
    const tools = {
      jobs,
      sessions,
      threads,
      said,
      settings: readSettings({ ...env, ...settings }),
      slots: env.SLOTS.getByName('slots'),
      container: (threadId: string) => ({ ...stub(threadId) }),
      ticket: (threadId: string) => `1/${threadId}`,
      issueThread: async () => issue,
      hear: () => {},
      say: (_job: unknown, text: string) => said.push(text),
      log: { info: () => {}, warn: () => {}, error: () => {} },
    } as unknown as StepTools
    for (let step = 0; !until({ jobs, said }); step += 1) {
      if (step > 1000) throw new Error('it has not come so far')
      const thread = threads.find('issue-7')
      if (thread === undefined) throw new Error('the thread is not there')
      const next = await takeStep(thread, tools)
      if (next !== undefined) vi.setSystemTime(Math.max(Date.now(), next))
    }
    return { said }
  })
}

/** The object of the container, but for what asks GitHub for a token. */
const stub = (threadId: string) => {
  const object = env.CONTAINER.getByName(`1/${threadId}`)
  return {
    ready: (repository: { owner: string; name: string }) => object.ready(repository),
    stop: () => object.stop(),
    fetch: (request: Request) => object.fetch(request),
    credential: async () => 'a-token',
  }
}
const resultOf = (): Promise<{ readonly code?: string | undefined; readonly error?: string | undefined } | undefined> =>
  runInDurableObject(env.REPOSITORY.getByName('1'), (_, { storage }) => storesOf(storage).jobs.find('a')?.result)
const ended = ({ jobs }: { readonly jobs: Stores['jobs'] }): boolean => jobs.everyOpen().length === 0
const frozen = (): void => void vi.useFakeTimers({ toFake: ['Date'] })

it('a container that is too slow is replaced, and answered for when that goes on', async () => {
  frozen()
  box.healthy = false
  await steps({ START_SECONDS: '5' }, ended)
  expect(box.starts).toBe(5)
  expect(await resultOf()).toMatchObject({ code: 'workspace_failed', error: expect.stringContaining('gave no answer of use for 5 seconds') })
})

it('where the platform has no container free that is said, it goes on when there is one, and is answered when there never is', async () => {
  frozen()
  box.full = true
  const { said } = await steps({}, (at) => at.said.length > 0)
  expect(said).toEqual([expect.stringContaining('no container free')])
  box.full = false
  await steps({}, () => box.given.length > 0)
  await reset()
  Object.assign(box, { full: true, running: false, given: [] })
  await steps({}, ended)
  expect(await resultOf()).toMatchObject({ code: 'workspace_failed', error: expect.stringContaining('for 30 minutes') })
})

it('a container that ends before it answers is started a few times, and then answered for', async () => {
  frozen()
  box.dies = true
  await steps({}, ended)
  expect(box.starts).toBe(5)
  expect(await resultOf()).toMatchObject({ code: 'workspace_failed', error: expect.stringContaining('ended before it answered') })
})

it('a container that takes nothing in is replaced, and then answered for', async () => {
  frozen()
  box.taken = 503
  await steps({}, ended)
  expect(box.starts).toBe(5)
  expect(await resultOf()).toMatchObject({ code: 'workspace_failed', error: expect.stringContaining('no answer of use') })
})

it('a container that ends while it is handed its job is replaced a few times, and then answered for', async () => {
  frozen()
  box.fatal = true
  await steps({}, ended)
  expect(box.starts).toBe(7)
  expect(await resultOf()).toMatchObject({ code: 'crashed', error: expect.stringContaining('before it had taken it') })
})

it('a job that ended while its container was looked for is not handed in', async () => {
  box.onHealth = async () => {
    await runInDurableObject(env.REPOSITORY.getByName('1'), async (_, { storage }) => {
      const { jobs } = storesOf(storage)
      await jobs.accept({ ...command, commandId: CommandId.parse('b'), instruction: 'second' }, { way: 'github', from: 'x', to: '{}', id: 'b' }, Date.now())
    })
    box.onHealth = undefined
  }
  await steps({}, () => box.given.length > 0)
  expect(box.given.map(({ job }) => job.command)).toEqual([expect.objectContaining({ commandId: 'b', instruction: expect.stringContaining('do it') })])
})

it('a container that was told to stop is waited for, and is no failed attempt', async () => {
  frozen()
  let waited = 0
  await steps({}, () => box.given.length > 0)
  box.draining = true
  await steps({}, () => (waited += 1) > 60)
  expect([box.running, box.starts]).toEqual([true, 1])
  Object.assign(box, { draining: false, running: false })
  await steps({}, () => box.given.length > 1)
  expect(await runInDurableObject(env.REPOSITORY.getByName('1'), (_, { storage }) => storesOf(storage).jobs.find('a')?.attempt)).toBe(1)
})

it('a container whose service says nothing that can be understood is replaced', async () => {
  frozen()
  box.status = () => ({ job: 'what nobody understands' })
  await steps({}, () => box.starts > 1)
})

it('what a newer container says besides is passed over', async () => {
  const event = { id: '1.1', at: 1, threadId: 'issue-7', type: 'something.new', text: 'x' }
  const result = { sessionId: 's', commandId: 'a', timestamp: 1, success: false, summary: 'no', code: 'a_new_reason', more: 1 }
  box.status = () => ({ news: 1, job: { commandId: 'a', state: 'ended', events: [event], more: 1, report: { result, more: 1 } } })
  await steps({}, ended)
  expect(await resultOf()).toMatchObject({ success: false, summary: 'no' })
})

it('a job that the container refuses for good ends with what it said', async () => {
  box.taken = 400
  await steps({}, ended)
  expect(await resultOf()).toMatchObject({ code: 'rejected', error: expect.stringContaining('not this one') })
})

it('what may still be spent is handed in with a job, and a job without anything left is not begun', async () => {
  await steps({ MAX_COST_USD: '2', MAX_COST_USD_PER_DAY: '0.5' }, () => box.given.length > 0)
  expect(box.given[0]?.job.command.maxCostUsd).toBe(0.5)
  await reset()
  box.given = []
  await runInDurableObject(env.REPOSITORY.getByName('1'), async (_, { storage }) => {
    const jobs = storesOf(storage).jobs
    await jobs.accept(
      { ...command, commandId: CommandId.parse('before'), threadId: ThreadId.parse('issue-6') },
      { way: 'github', from: 'x', to: '{}', id: 'b' },
      Date.now(),
    )
    const [job] = jobs.open('issue-6')
    if (job !== undefined)
      jobs.end(
        job,
        { result: { sessionId: 's', commandId: 'before', timestamp: 1, success: true, summary: '', costUsd: 0.5 }, files: [], subjects: [], unresolved: [] },
        Date.now(),
      )
  })
  await steps({ MAX_COST_USD_PER_DAY: '0.5' }, ended)
  expect(box.given).toEqual([])
  expect(await resultOf()).toMatchObject({ code: 'budget' })
})

it('a thread that is being looked after is looked after again, should its object end meanwhile', async () => {
  const repository = env.REPOSITORY.getByName('1')
  await runInDurableObject(repository, async (_, { storage }) => {
    await storesOf(storage).jobs.accept(command, { way: 'github', from: 'x', to: '{}', id: 'a' }, Date.now())
    storage.sql.exec(
      "INSERT INTO memos (name, text) VALUES ('github thread issue-7', ?)",
      JSON.stringify({ ...issue, threadId: 'issue-7', number: 7, onPull: false, title: 'x', numbers: [7] }),
    )
  })
  const next = vi.spyOn(Threads.prototype, 'begin')
  vi.mocked(fetch).mockRejectedValue(new Error('nothing can be reached'))
  await repository.ring()
  await expect.poll(() => vi.mocked(fetch).mock.calls.length).toBeGreaterThan(0)
  // Should it end from here on, its next beginning sets the alarm by that.
  expect(next.mock.calls[0]).toEqual(['issue-7', expect.any(Number)])
  expect(next.mock.invocationCallOrder[0]).toBeLessThan(vi.mocked(fetch).mock.invocationCallOrder[0] ?? 0)
  await expect.poll(() => runInDurableObject(repository, (_, { storage }) => storage.getAlarm())).not.toBeNull()
})
