import { abortAllDurableObjects, reset, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Command } from '../../../src/command/command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from '../../../src/command/ids.ts'
import type { JobReport } from '../../../src/command/job.ts'
import { storesOf, type Stores } from './testing.ts'

beforeEach(() => {
  vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('nothing can be reached'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const repository = () => env.REPOSITORY.getByName('1')
const alarmOf = (): Promise<number | null> => runInDurableObject(repository(), (_, { storage }) => storage.getAlarm())
const told = (id: string, meaning = id) => ({
  id,
  meaning,
  line: 'github 1 7',
  content: JSON.stringify({
    event: {
      kind: 'message',
      by: 'opened',
      number: 7,
      onPull: false,
      text: 'x',
      answerTo: { kind: 'issue', id: 7 },
      repository: { id: 1, owner: 'acme', name: 'site', defaultBranch: 'main' },
      actor: { login: 'alice', id: 1, isBot: false },
      subject: { title: 'x', body: '', author: 'alice', createdAt: '2026-01-01T00:00:00Z' },
    },
  }),
  at: Date.now(),
})

const command = (id: string, change: Partial<Command> = {}): Command => ({
  clientId: ClientId.parse('acme'),
  userId: UserId.parse('github'),
  projectId: ProjectId.parse('site'),
  threadId: ThreadId.parse('issue-7'),
  commandId: CommandId.parse(id),
  sessionId: 'acme/site#7',
  timestamp: 1,
  type: 'edit',
  instruction: `do ${id}`,
  mode: 'execute',
  delivery: 'interrupt',
  repoUrl: 'https://github.com/acme/site.git',
  attachments: [],
  ...change,
})
const reply = (id: string) => ({ way: 'github' as const, from: 'acme/site', to: `{"to":"${id}"}`, id })
const report = (id: string, more: object = {}) => ({
  result: { sessionId: 's', commandId: id, timestamp: 2, success: true, summary: 'done', filesChanged: ['a.txt'], costUsd: 0.5 },
  files: ['a.txt'],
  subjects: ['done'],
  unresolved: [],
  ...more,
})
/** Works on the jobs of the object. */
const withJobs = <Value>(work: (stores: Stores) => Promise<Value> | Value): Promise<Value> =>
  runInDurableObject(repository(), (_, { storage }) => work(storesOf(storage)))

describe('what a webhook told', () => {
  it('says of what was recorded that it is, until it is a job, with its tries', async () => {
    await repository().record(told('vouched github-1-issue-7'))
    expect(await repository().job('github-1-issue-7')).toEqual({ state: 'recorded', tries: expect.any(Number) })
    expect(await repository().overview()).toMatchObject({ open: [], inbox: [{ id: 'vouched github-1-issue-7', line: 'github 1 7' }] })
    expect(await repository().job('github-1-issue-8')).toBeUndefined()
  })

  it('is recorded once, by its delivery and by what it means', async () => {
    expect(await repository().record(told('github a'))).toBe('done')
    expect(await repository().record(told('github a'))).toBe('duplicate')
    expect(await repository().record(told('github b', 'github a'))).toBe('duplicate')
    expect(await repository().knows('github a')).toBe(true)
  })

  it('has an alarm set, which is set again however often it fails, and after the end of the object', async () => {
    await repository().record(told('github a'))
    for (let pass = 0; pass < 8; pass += 1) {
      expect(await runDurableObjectAlarm(repository())).toBe(true)
      await expect.poll(alarmOf).not.toBeNull()
    }
    await abortAllDurableObjects()
    await repository().knows('x') // whatever wakes it
    await expect.poll(alarmOf).not.toBeNull()
  })

  it('leaves no alarm behind when it has been dealt with', async () => {
    await repository().record({
      ...told('github a'),
      content: JSON.stringify({
        event: {
          kind: 'pushed',
          branch: 'main',
          after: 'a',
          repository: { id: 1, owner: 'acme', name: 'site', defaultBranch: 'main' },
          actor: { login: 'alice', id: 1, isBot: false },
        },
      }),
    })
    await expect.poll(() => runInDurableObject(repository(), (_, { storage }) => storage.sql.exec('SELECT content FROM inbox').one()['content'])).toBeNull()
    await expect.poll(alarmOf).toBeNull()
  })
})

describe('a job', () => {
  it('is accepted once: the same again is a duplicate, another with its id a conflict', async () => {
    await withJobs(async ({ jobs }) => {
      expect(await jobs.accept(command('a'), reply('a'), 1)).toEqual({ kind: 'accepted', record: { state: 'queued' } })
      expect(await jobs.accept(command('a'), reply('a'), 2)).toMatchObject({ kind: 'duplicate' })
      expect(await jobs.accept(command('a', { instruction: 'something else' }), reply('a'), 3)).toEqual({ kind: 'conflict' })
      expect(jobs.everyOpen()).toHaveLength(1)
    })
  })

  it('that has not begun is taken along by a newer one, with its text; one that has is not', async () => {
    await withJobs(async ({ jobs }) => {
      await jobs.accept(command('a'), reply('a'), 1)
      await jobs.accept(command('b'), reply('b'), 2)
      await jobs.accept(command('c'), reply('c'), 3)
      expect(jobs.open('issue-7').map(({ command: { commandId }, carried }) => [commandId, carried.map((each) => each.instruction)])).toEqual([
        ['c', ['do a', 'do b']],
      ])
      expect(jobs.find('a')?.result).toMatchObject({ code: 'superseded', supersededBy: 'b' })
      const [running] = jobs.open('issue-7')
      if (running !== undefined) jobs.offered(running, 'box', true)
      await jobs.accept(command('d'), reply('d'), 5)
      expect(jobs.open('issue-7').map(({ command: { commandId } }) => commandId)).toEqual(['c', 'd'])
    })
  })

  it('ends once, with its delivery; the result of what ended goes to whoever asks for the same later', async () => {
    await withJobs(async ({ jobs, deliveries }) => {
      await jobs.accept(command('a'), reply('a'), 1)
      const [job] = jobs.open('issue-7')
      if (job === undefined) throw new Error('it is not there')
      jobs.end(job, report('a', { pushed: 'c0ffee' }), 2)
      jobs.end(job, report('a'), 3)
      expect([jobs.tip('issue-7'), jobs.changes('issue-7')]).toEqual(['c0ffee', { files: ['a.txt'], subjects: ['done'] }])
      expect(deliveries.due(10).map(({ read }) => [read().to, read().result.summary])).toEqual([['{"to":"a"}', 'done']])
      deliveries.sent(deliveries.due(10)[0]?.n ?? 0)
      await jobs.accept(command('a'), reply('again'), 4)
      expect(deliveries.due(10).map(({ read }) => read().to)).toEqual(['{"to":"again"}'])
      expect(jobs.spent('issue-7', 0)).toEqual({ thread: 0.5, day: 0.5 })
    })
  })

  it('knows what was pushed: a push asks for nothing more, and fails where the container said why', async () => {
    await withJobs(async ({ jobs }) => {
      for (const [id, more] of [
        ['a', { pushed: 'c0ffee' }],
        ['b', { push: { sessionId: 's', commandId: 'x', timestamp: 1, success: false, summary: 'no', code: 'push_failed', error: 'no' } }],
      ] as const) {
        await jobs.accept(command(id, { threadId: ThreadId.parse(id) }), reply(id), 1)
        const [job] = jobs.open(id)
        if (job !== undefined) jobs.end(job, report(id, more), 2)
        await jobs.accept(command(`${id}-push`, { threadId: ThreadId.parse(id), type: 'push', delivery: 'queue' }), reply(`${id}-push`), 3)
      }
      expect(jobs.find('a-push')?.result).toMatchObject({ success: true, pushed: true, branch: 'thread-a' })
      expect(jobs.find('b-push')?.result).toMatchObject({ success: false, code: 'push_failed', commandId: 'b-push' })
      expect([jobs.tip('a'), jobs.tip('b')]).toEqual(['c0ffee', undefined])
    })
  })

  it('of any size is kept in rows of less than 2 MB, and of a newer Worker can be read', async () => {
    await withJobs(async ({ jobs, deliveries }) => {
      await jobs.accept(command('a', { context: { branch: 'ma]in' } }), reply('a'), 1)
      const [job] = jobs.open('issue-7')
      const many = Array.from({ length: 30_000 }, (_, at) => `${'x'.repeat(300)}-${at}`)
      const result = {
        ...report('a').result,
        summary: 'x'.repeat(5_000_000),
        filesChanged: many,
        pageErrors: many,
        question: 'x'.repeat(5_000_000),
        code: 'of_a_newer_one',
      }
      const push = { ...report('a').result, error: 'x'.repeat(5_000_000) }
      if (job !== undefined) jobs.end(job, { ...report('a'), files: many, subjects: many, unresolved: many, result, push } as unknown as JobReport, 2)
      expect(jobs.find('a')?.result?.summary.length).toBeLessThan(200_000)
      expect(deliveries.due(10).map(({ read }) => read().result.success)).toEqual([true])
    })
    const row = await runInDurableObject(repository(), (_, { storage }) => JSON.stringify(storage.sql.exec('SELECT * FROM jobs').one()))
    expect(row.length).toBeLessThan(1_500_000)
  })

  it('hands on a conversation of several megabytes as it was', async () => {
    const conversation = 'abcd'.repeat(700_000)
    await withJobs(async ({ jobs, sessions }) => {
      await jobs.accept(command('a'), reply('a'), 1)
      const [job] = jobs.open('issue-7')
      if (job !== undefined) jobs.end(job, report('a', { session: { id: '3d6f0a5e-53b2-4d4b-9f0c-1d2a6f7b8c9d', said: 'm', conversation } }), 2)
      expect(sessions.of('issue-7')).toEqual({ id: '3d6f0a5e-53b2-4d4b-9f0c-1d2a6f7b8c9d', said: 'm', conversation })
    })
  })
})
