import { describe, expect, it } from 'vitest'
import { refOf, type Journal } from '../../src/journal/journal.ts'
import type { WithJournal } from './journal.ts'
import { acceptance, command, result } from './records.ts'

/** What every journal keeps of who is answered, in which order, and of what could not be taken or carried out. */
export function repliesContract(name: string, withJournal: WithJournal): void {
  describe(`${name}: who is answered`, () => {
    const reply = (id: string, to = 'out') => ({ way: 'sqs' as const, from: 'in', to, id })
    const end = async (journal: Journal, id: string, thread?: string): Promise<void> => {
      await journal.begin(refOf(command(id, thread)), 1)
      await journal.end(refOf(command(id, thread)), result(command(id, thread)))
    }
    const due = async (journal: Journal, at = 9000): Promise<string[]> =>
      (await journal.outboxDue(at, 99)).map((each) => `${each.result.commandId} ${each.way} ${each.to}`)
    it(
      'everyone who sent a command by a queue gets its result once, and whoever sends it again gets it again',
      withJournal(async (journal) => {
        const first = command('a')
        await journal.accept(await acceptance(first, { way: 'sqs', reply: reply('m1') }))
        await journal.accept(await acceptance(first, { way: 'sqs', reply: reply('m1') })) // the same message, received once more
        await journal.accept(await acceptance(first, { way: 'sqs', reply: reply('m2', 'elsewhere') }))
        await end(journal, 'a')
        expect(await due(journal)).toEqual(['a sqs out', 'a sqs elsewhere'])
        for (const { eventId } of await journal.outboxDue(9000, 9)) await journal.outboxSent(eventId)
        expect(await journal.accept(await acceptance(first, { way: 'sqs', reply: reply('m1') }))).toMatchObject({ outcome: 'duplicate' })
        expect(await journal.outboxSize()).toBe(0)
        await journal.accept(await acceptance(first, { way: 'sqs', reply: reply('m3') }))
        expect(await due(journal)).toEqual(['a sqs out'])
      }),
    )
    it(
      'nothing overtakes an earlier result of its thread that is due later',
      withJournal(async (journal) => {
        for (const [id, thread] of [
          ['a', 'one'],
          ['b', 'one'],
          ['c', 'two'],
        ] as const) {
          await journal.accept(await acceptance(command(id, thread, { delivery: 'queue' }), { way: 'sqs', reply: reply(id) }))
          await end(journal, id, thread)
        }
        const [head] = await journal.outboxDue(9000, 9)
        await journal.outboxRefused(head?.eventId ?? '', 20_000)
        expect(await due(journal)).toEqual(['c sqs out'])
        expect(await due(journal, 20_000)).toEqual(['a sqs out', 'b sqs out', 'c sqs out'])
        expect(await journal.outboxSize()).toBe(3)
      }),
    )
    it(
      'what is given up or does not fit is kept as a dead letter, and its sender is told',
      withJournal(async (journal) => {
        await journal.accept(await acceptance(command('a'), { way: 'sqs', reply: reply('m1') }))
        await journal.begin(refOf(command('a')), 1)
        await journal.end(refOf(command('a')), result(command('a'), { success: false }), { givenUp: 'three times' })
        const refused = { thread: command('x', 'two'), to: 'out', result: result(command('x', 'two'), { success: false }) }
        await journal.bury({ at: 5, reason: 'no JSON', source: 'in', body: '{' }, refused)
        const letters = await journal.deadLetters({ limit: 9 })
        expect(letters).toMatchObject([
          { reason: 'three times', source: 'in', threadId: 'one', commandId: 'a' },
          { reason: 'no JSON', source: 'in', body: '{' },
        ])
        expect(JSON.parse(letters[0]?.body ?? '')).toMatchObject({ commandId: 'a', chatThreadId: 'one', instruction: 'do a' })
        expect(await due(journal)).toEqual(['a sqs out', 'x sqs out'])
        expect(await journal.deadLetters({ limit: 9, after: letters[0]?.n })).toHaveLength(1)
        expect([await journal.unbury(letters[0]?.n ?? 0), await journal.unbury(letters[0]?.n ?? 0)]).toEqual(['done', 'lost'])
      }),
    )
  })
}
