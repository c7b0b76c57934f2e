import { describe, expect, it } from 'vitest'
import { refOf, type Journal } from '../../src/journal/journal.ts'
import { conversationContract } from './journal-conversations.ts'
import { inboxContract } from './journal-inbox.ts'
import { repliesContract } from './journal-replies.ts'
import { acceptance, command, result, saving } from './records.ts'

/** A place where one journal can be opened again and again. */
export interface JournalPlace extends AsyncDisposable {
  open(): Promise<Journal>
}

/** A test on a journal of its own. */
export type WithJournal = (test: (journal: Journal, where: JournalPlace) => Promise<void>) => () => Promise<void>

/** What every journal keeps. */
export function journalContract(name: string, place: () => Promise<JournalPlace>): void {
  const withJournal: WithJournal = (test) => async () => {
    await using where = await place()
    await using journal = await where.open()
    await test(journal, where)
  }

  conversationContract(name, withJournal)
  repliesContract(name, withJournal)
  inboxContract(name, withJournal)

  describe(`${name}: accept`, () => {
    it(
      'records a command once, however often it comes, and tells another body of the same id',
      withJournal(async (journal) => {
        const first = command('a')
        const all = await Promise.all(Array.from({ length: 20 }, async () => journal.accept(await acceptance(first))))
        expect(all.filter((each) => each.outcome === 'done')).toHaveLength(1)
        expect(all.filter((each) => each.outcome === 'duplicate')).toHaveLength(19)
        expect(await journal.accept(await acceptance(command('a', 'one', { instruction: 'something else' })))).toEqual({ outcome: 'conflict' })
        expect(await journal.unfinished()).toHaveLength(1)
      }),
    )
    it(
      'begins in the same transaction where the thread has nothing unfinished, and not otherwise',
      withJournal(async (journal) => {
        const first = await journal.accept(await acceptance(command('a'), { begin: true }))
        expect(first).toMatchObject({ outcome: 'done', record: { state: 'running', attempt: 1, begunAt: 1000 } })
        expect(await journal.accept(await acceptance(command('b'), { begin: true }))).toMatchObject({ record: { state: 'queued', attempt: 0 } })
      }),
    )
    it(
      'supersedes a queued edit of the same mode, which takes its text along in order',
      withJournal(async (journal) => {
        await journal.accept(await acceptance(command('a'), { begin: true }))
        await journal.accept(await acceptance(command('b')))
        const third = await journal.accept(await acceptance(command('c')))
        expect(third).toMatchObject({ superseded: [{ commandId: 'b' }], record: { carried: [{ commandId: 'b', instruction: 'do b' }] } })
        const fourth = await journal.accept(await acceptance(command('d')))
        expect(fourth).toMatchObject({ record: { carried: [{ commandId: 'b' }, { commandId: 'c' }] } })
        expect((await journal.command(refOf(command('b'))))?.result).toMatchObject({ success: false, code: 'superseded', supersededBy: 'c' })
        expect((await journal.unfinished()).map((each) => each.command.commandId)).toEqual(['a', 'd'])
      }),
    )
    it.each([
      ['of another mode', command('c', 'one', { mode: 'plan' })],
      ['that queues', command('c', 'one', { delivery: 'queue' })],
      ['of another thread', command('c', 'two')],
      ['that commits', command('c', 'one', { type: 'commit' })],
    ])('does not supersede for a message %s', (_, message) =>
      withJournal(async (journal) => {
        await journal.accept(await acceptance(command('a'), { begin: true }))
        await journal.accept(await acceptance(command('b')))
        expect(await journal.accept(await acceptance(message))).toMatchObject({ superseded: [], record: { carried: [] } })
      })(),
    )
    it(
      'hands the text of a message that was never heard to the one that took its place, or to whoever superseded that',
      withJournal(async (journal) => {
        const repoUrl = 'https://example.com/a/b'
        await journal.accept(await acceptance(command('a', 'one', { repoUrl }), { begin: true }))
        await journal.accept(await acceptance(command('b')))
        await journal.accept(await acceptance(command('c')))
        await journal.end(refOf(command('a')), result(command('a'), { success: false, code: 'superseded', supersededBy: 'b' }), {
          heir: command('b').commandId,
        })
        const heir = await journal.command(refOf(command('c')))
        expect(heir?.carried.map((each) => each.commandId)).toEqual(['a', 'b'])
        expect(heir?.command.repoUrl).toBe(repoUrl)
      }),
    )
    it(
      'does not supersede what has begun before',
      withJournal(async (journal) => {
        const first = command('a')
        await journal.accept(await acceptance(first, { begin: true }))
        await journal.requeue(refOf(first), { counted: false, crashed: false, note: { reason: 'shutdown' }, at: 1 })
        expect(await journal.accept(await acceptance(command('b')))).toMatchObject({ superseded: [] })
      }),
    )
    it(
      'notes on what stands in the way that it must give way',
      withJournal(async (journal) => {
        const first = command('a')
        await journal.accept(await acceptance(first, { begin: true }))
        await journal.accept(await acceptance(command('b', 'two'), { interrupts: refOf(first) }))
        expect(await journal.command(refOf(first))).toMatchObject({ interruptedBy: 'b' })
      }),
    )
  })

  describe(`${name}: the life of a command`, () => {
    it(
      'queued → running → saving → ended, each once',
      withJournal(async (journal) => {
        const of = refOf(command('a'))
        await journal.accept(await acceptance(command('a')))
        expect(await journal.begin(of, 5)).toMatchObject({ state: 'running', attempt: 1, begunAt: 5 })
        expect(await journal.begin(of, 6)).toBeUndefined()
        expect(await journal.saving(of, saving('c1', 'c0'))).toBe('done')
        expect(await journal.saving(of, saving('c1', 'c0'))).toBe('lost')
        const tokens = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 }
        expect(await journal.spend(of, '2026-11-21', { costUsd: 0.5, tokens })).toEqual({ command: 0.5, thread: 0.5, day: 0.5 })
        expect(await journal.end(of, result(command('a')))).toEqual({ outcome: 'done', steered: [] })
        expect(await journal.end(of, result(command('a')))).toEqual({ outcome: 'lost' })
        expect(await journal.interrupt(of, 'user')).toBe('lost')
        expect(await journal.checkpoints(command('a'))).toMatchObject([
          { commit: 'c1', parent: 'c0', subject: 'made c1', outcome: 'completed', commandId: 'a' },
        ])
        expect(await journal.thread(command('a'))).toMatchObject({
          costUsd: 0.5,
          tokens: { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 },
          lastActiveAt: 2000,
        })
      }),
    )
    it(
      'requeue keeps what the next attempt should know, and a commit made by then is a checkpoint',
      withJournal(async (journal) => {
        const of = refOf(command('a'))
        await journal.accept(await acceptance(command('a'), { begin: true }))
        await journal.saving(of, saving('c1', 'c0', { ending: { kind: 'shutdown' } }))
        await journal.requeue(of, { counted: false, crashed: false, note: { reason: 'shutdown', commit: 'c1' }, at: 9 })
        expect(await journal.begin(of, 10)).toMatchObject({ attempt: 1, crashes: 0, note: { reason: 'shutdown', commit: 'c1' }, saving: undefined })
        await journal.requeue(of, { counted: true, crashed: true, note: { reason: 'crash' }, at: 11 })
        expect(await journal.begin(of, 12)).toMatchObject({ attempt: 2, crashes: 1 })
        expect(await journal.checkpoints(command('a'))).toMatchObject([{ commit: 'c1', outcome: 'interrupted' }])
      }),
    )
    it(
      'a rebase gives checkpoints their new names and adds none',
      withJournal(async (journal) => {
        for (const [id, commit, before] of [
          ['a', 'c1', 'c0'],
          ['b', 'c2', 'c1'],
        ] as const) {
          await journal.accept(await acceptance(command(id), { begin: true }))
          await journal.saving(refOf(command(id)), saving(commit, before))
          await journal.end(refOf(command(id)), result(command(id)))
        }
        const push = command('p', 'one', { type: 'push', delivery: 'queue' })
        await journal.accept(await acceptance(push, { begin: true }))
        await journal.saving(
          refOf(push),
          saving('d2', 'c2', {
            rebased: [
              { from: 'c1', to: 'd1', parent: 'o1' },
              { from: 'c2', to: 'd2', parent: 'd1' },
            ],
          }),
        )
        await journal.end(refOf(push), result(push))
        expect((await journal.checkpoints(push)).map(({ commit, parent }) => [commit, parent])).toEqual([
          ['d1', 'o1'],
          ['d2', 'd1'],
        ])
      }),
    )
  })

  describe(`${name}: results on their way out`, () => {
    it(
      'are due until they have arrived, and later where they were refused',
      withJournal(async (journal) => {
        await journal.accept(await acceptance(command('a'), { begin: true }))
        await journal.end(refOf(command('a')), result(command('a')))
        const [due] = await journal.outboxDue(3000, 10)
        expect(due).toMatchObject({ way: 'http', tries: 0, result: { commandId: 'a', success: true } })
        await journal.outboxRefused(due?.eventId ?? '', 9000)
        expect(await journal.outboxDue(3000, 10)).toEqual([])
        expect(await journal.outboxDue(9000, 10)).toMatchObject([{ tries: 1 }])
        await journal.outboxSent(due?.eventId ?? '')
        expect(await journal.outboxDue(99_999, 10)).toEqual([])
      }),
    )
  })

  describe(`${name}: threads and names`, () => {
    it(
      'a thread keeps its slot for ever and no two share one',
      withJournal(async (journal) => {
        const [one, again, two] = [
          await journal.openThread(command('x', 'one'), 1),
          await journal.openThread(command('x', 'one'), 2),
          await journal.openThread(command('x', 'two'), 3),
        ]
        expect(again).toMatchObject({ slot: one.slot, slotNumber: one.slotNumber, sessionId: one.sessionId })
        expect([two.slot, two.slotNumber]).not.toEqual([one.slot, one.slotNumber])
        await journal.updateThread(command('x', 'one'), { base: 'c0' })
        await journal.updateThread(command('x', 'one'), { said: 'm1' })
        expect(await journal.thread(command('x', 'one'))).toMatchObject({ base: 'c0', said: 'm1' })
      }),
    )
    it(
      'ids that differ only in letter case get names that a file system tells apart, the same for ever',
      withJournal(async (journal) => {
        const names = [await journal.nameFor('s', 'Anna'), await journal.nameFor('s', 'anna'), await journal.nameFor('s', 'ANNA')]
        expect(names[0]).toBe('Anna')
        expect(new Set(names.map((each) => each.toLowerCase())).size).toBe(3)
        expect(await journal.nameFor('s', 'anna')).toBe(names[1])
        expect(await journal.nameFor('other', 'anna')).toBe('anna')
      }),
    )
    it(
      'pages come newest first',
      withJournal(async (journal) => {
        for (const id of ['a', 'b', 'c']) await journal.accept(await acceptance(command(id, `t-${id}`), { at: id.charCodeAt(0) }))
        expect((await journal.threads(command('x'), { limit: 2 })).map((each) => each.ref.threadId)).toEqual(['t-c', 't-b'])
        expect((await journal.threads(command('x'), { limit: 2, after: 2 })).map((each) => each.ref.threadId)).toEqual(['t-a'])
      }),
    )
  })

  describe(`${name}: what is kept`, () => {
    it(
      'attachments are kept until their command has ended, and the same body is still known as the same',
      withJournal(async (journal) => {
        const attachments = [{ name: 'a.txt', mediaType: 'text/plain' as const, data: Buffer.from('x'.repeat(10_000)).toString('base64') }]
        const [first, second] = [command('a', 'one', { attachments }), command('b', 'one', { attachments })]
        await journal.accept(await acceptance(first))
        await journal.accept(await acceptance(second)) // takes the first one along
        expect((await journal.command(refOf(second)))?.carried).toMatchObject([{ commandId: 'a', attachments }])
        await journal.begin(refOf(second), 1)
        await journal.end(refOf(second), result(second))
        const ended = await journal.command(refOf(second))
        expect(JSON.stringify(ended).length).toBeLessThan(2000)
        expect(await journal.accept(await acceptance(second))).toMatchObject({ outcome: 'duplicate', record: { result: { success: true } } })
      }),
    )
    it(
      'old commands are forgotten once their results have arrived; what they made and what goes on stays',
      withJournal(async (journal) => {
        for (const [at, id] of ['old', 'undelivered', 'recent'].entries()) {
          const each = command(id, `t-${id}`)
          await journal.accept(await acceptance(each, { begin: true }))
          await journal.saving(refOf(each), saving(`c-${id}`, 'c0'))
          await journal.end(refOf(each), result(each, { timestamp: at < 2 ? 1000 : 9000 }))
        }
        await journal.accept(await acceptance(command('open')))
        for (const { eventId, result: of } of await journal.outboxDue(10_000, 10)) if (of.commandId !== 'undelivered') await journal.outboxSent(eventId)
        expect(await journal.forget(5000, 10)).toBe(1)
        expect(await journal.forget(5000, 10)).toBe(0)
        expect(await journal.command(refOf(command('old')))).toBeUndefined()
        expect(await journal.checkpoints(command('x', 't-old'))).toMatchObject([{ commit: 'c-old' }])
        for (const id of ['undelivered', 'recent', 'open']) expect(await journal.command(refOf(command(id)))).toBeDefined()
      }),
    )
  })

  it(`${name}: a newer owner goes on from what the older one recorded`, async () => {
    await using where = await place()
    const older = await where.open()
    await older.accept(await acceptance(command('a')))
    await older[Symbol.asyncDispose]()
    await using newer = await where.open()
    expect(newer.epoch).toBe(older.epoch + 1)
    expect(await newer.unfinished()).toHaveLength(1)
  })
}
