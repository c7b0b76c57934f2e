import { describe, expect, it } from 'vitest'
import { refOf, type Journal } from '../../src/journal/journal.ts'
import type { WithJournal } from './journal.ts'
import { acceptance, command, result, saving } from './records.ts'

/** What every journal keeps of messages that join a run, of where conversations stand, of costs and of spare slots. */
export function conversationContract(name: string, withJournal: WithJournal): void {
  describe(`${name}: steering`, () => {
    const begin = async (journal: Journal): Promise<void> => {
      await journal.accept(await acceptance(command('host'), { begin: true }))
      for (const id of ['x', 'y']) await journal.accept(await acceptance(command(id, 'one', { delivery: 'steer' }), { joins: refOf(command('host')) }))
    }
    it(
      'joins a running edit of the same thread and mode, and nothing else',
      withJournal(async (journal) => {
        await begin(journal)
        expect((await journal.steeredInto(refOf(command('host')))).map((each) => [each.command.commandId, each.state, each.joins])).toEqual([
          ['x', 'running', 'host'],
          ['y', 'running', 'host'],
        ])
        const joins = refOf(command('host'))
        for (const more of [command('plan', 'one', { mode: 'plan' }), command('other', 'two')])
          expect(await journal.accept(await acceptance(more, { joins }))).toMatchObject({ record: { state: 'queued', joins: undefined } })
        await journal.interrupt(joins, 'user')
        expect(await journal.accept(await acceptance(command('late'), { joins }))).toMatchObject({ record: { joins: undefined } })
      }),
    )
    it.each([
      ['what was read ends with it, and the rest is queued', { read: [command('x').commandId] }, ['ended', 'queued']],
      ['all ends with it where nobody knows', {}, ['ended', 'ended']],
    ])('when the run ends %s', (_, options, states) =>
      withJournal(async (journal) => {
        await begin(journal)
        const ended = await journal.end(refOf(command('host')), result(command('host'), { costUsd: 1 }), options)
        expect(ended).toMatchObject({ outcome: 'done', steered: [{ command: { commandId: 'x' } }, { command: { commandId: 'y' } }] })
        expect(await Promise.all(['x', 'y'].map(async (id) => (await journal.command(refOf(command(id))))?.state))).toEqual(states)
        const x = (await journal.command(refOf(command('x'))))?.result
        expect(x).toMatchObject({ commandId: 'x', joined: 'host#1', success: true })
        expect(x?.costUsd).toBeUndefined()
        expect((await journal.outboxDue(9999, 9)).map((each) => each.result.commandId)).toContain('x')
      })(),
    )
    it(
      'what was not read goes along with the message that interrupts, behind what it was steered into',
      withJournal(async (journal) => {
        await begin(journal)
        await journal.accept(await acceptance(command('new'), { interrupts: refOf(command('host')) }))
        const heir = command('new').commandId
        await journal.end(refOf(command('host')), result(command('host'), { success: false }), { heir, read: [], heirOfUnread: heir })
        expect((await journal.command(refOf(command('new'))))?.carried.map((each) => each.commandId)).toEqual(['host', 'x', 'y'])
        expect((await journal.command(refOf(command('y'))))?.result).toMatchObject({ code: 'superseded', supersededBy: 'new' })
      }),
    )
  })

  describe(`${name}: where a conversation stands`, () => {
    const edit = async (journal: Journal, id: string, commit: string, before: string, said: string): Promise<void> => {
      await journal.accept(await acceptance(command(id), { begin: true }))
      await journal.updateThread(command(id), { base: 'c0', said })
      await journal.saving(refOf(command(id)), saving(commit, before))
      await journal.end(refOf(command(id)), result(command(id)))
    }
    const restore = async (journal: Journal, id: string, to: string, how: 'commit' | 'nothing'): Promise<void> => {
      const back = command(id, 'one', { type: 'restore' })
      await journal.accept(await acceptance(back, { begin: true }))
      if (how === 'commit') await journal.saving(refOf(back), saving(`back-${id}`, 'c2', { restores: to, checkout: true }))
      await journal.end(refOf(back), result(back), { restores: to })
    }
    it.each(['commit', 'nothing'] as const)('it goes back with a restore that makes a %s, and forward again', (how) =>
      withJournal(async (journal) => {
        await edit(journal, 'a', 'c1', 'c0', 'm1')
        const first = (await journal.thread(command('a')))?.sessionId
        await edit(journal, 'b', 'c2', 'c1', 'm2')
        await restore(journal, 'r1', 'c1', how)
        const back = await journal.thread(command('a'))
        expect(back).toMatchObject({ begins: { sessionId: first, at: 'm1' } })
        expect([back?.said, back?.sessionId === first]).toEqual([undefined, false])
        await restore(journal, 'r2', 'c2', how)
        expect(await journal.thread(command('a'))).toMatchObject({ begins: { sessionId: first, at: 'm2' } })
        await restore(journal, 'r3', 'c0', how)
        expect((await journal.thread(command('a')))?.begins).toEqual({})
      })(),
    )
  })

  describe(`${name}: spending and spares`, () => {
    it(
      'costs of forgotten commands stay counted for their day, and no new command of the same id has them',
      withJournal(async (journal) => {
        const tokens = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 }
        await journal.accept(await acceptance(command('a'), { begin: true }))
        for (const day of ['2026-11-20', '2026-11-21', '2026-11-21']) await journal.spend(refOf(command('a')), day, { costUsd: 1, tokens })
        expect(await journal.spent(refOf(command('a')), '2026-11-21')).toMatchObject({ command: 3, thread: 3, day: 2, used: { costUsd: 3 } })
        await journal.end(refOf(command('a')), result(command('a')))
        for (const { eventId } of await journal.outboxDue(9999, 9)) await journal.outboxSent(eventId)
        expect(await journal.forget(9999, 9)).toBe(1)
        expect(await journal.spent(refOf(command('a')), '2026-11-21')).toMatchObject({ command: 0, day: 2, used: undefined })
        expect((await journal.dayCosts(command('a'), 9)).map(({ day, costUsd, requests }) => [day, costUsd, requests])).toEqual([
          ['2026-11-21', 2, 2],
          ['2026-11-20', 1, 1],
        ])
      }),
    )
    it(
      'a spare slot is one for its workspace, is taken once by a new thread when it is ready, and its number never again',
      withJournal(async (journal) => {
        const spare = await journal.reserveSpare(command('a'))
        expect(await journal.reserveSpare(command('a'))).toEqual(spare)
        const early = await journal.openThread(command('a', 'early'), 1)
        expect([early.slot === spare.slot, early.slotNumber === spare.slotNumber]).toEqual([false, false])
        expect(await journal.spareReady(command('a'), 'c0')).toBe('done')
        expect(await journal.openThread(command('a', 'early'), 2)).toMatchObject({ slot: early.slot })
        expect(await journal.openThread(command('a', 'new'), 3)).toMatchObject({
          slot: spare.slot,
          slotNumber: spare.slotNumber,
          sessionId: spare.sessionId,
          laidOut: 'c0',
        })
        expect(await journal.spareReady(command('a'), 'c1')).toBe('lost')
        expect((await journal.openThread(command('a', 'next'), 4)).slotNumber).toBeGreaterThan(Math.max(spare.slotNumber, early.slotNumber))
      }),
    )
  })
}
