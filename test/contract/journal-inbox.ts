import { describe, expect, it } from 'vitest'
import type { Journal, Told } from '../../src/journal/journal.ts'
import type { WithJournal } from './journal.ts'
import { UserId } from '../../src/command/ids.ts'
import { command } from './records.ts'

/** What every journal keeps of what ways were told and of what they note for themselves. */
export function inboxContract(name: string, withJournal: WithJournal): void {
  describe(`${name}: what is told`, () => {
    const told = (id: string, line = 'one', more: Partial<Told> = {}): Told => ({
      id,
      meaning: `means ${id}`,
      line,
      content: `content of ${id}`,
      at: 100,
      ...more,
    })
    const due = async (journal: Journal, at = 1000): Promise<string[]> => (await journal.inbox.due(at, 99)).map((each) => each.id)

    it(
      'is recorded once, by its id and by what it means, also when it has been dealt with',
      withJournal(async (journal) => {
        expect(await journal.inbox.put(told('a'))).toBe('done')
        expect(await journal.inbox.put(told('a', 'two', { meaning: 'another' }))).toBe('duplicate')
        expect(await journal.inbox.put(told('b', 'two', { meaning: 'means a' }))).toBe('duplicate')
        const [entry] = await journal.inbox.due(1000, 9)
        expect(entry).toMatchObject({ ...told('a'), tries: 0 })
        expect(await journal.inbox.done(entry?.n ?? 0)).toBe('done')
        expect(await journal.inbox.done(entry?.n ?? 0)).toBe('lost')
        expect(await journal.inbox.put(told('a'))).toBe('duplicate')
        expect([await journal.inbox.knows('a'), await journal.inbox.knows('b')]).toEqual([true, false])
        expect(await due(journal)).toEqual([])
        await journal.inbox.put(told('c'))
        expect(await journal.inbox.size()).toBe(1)
        const [given] = await journal.inbox.due(1000, 9)
        expect(await journal.inbox.drop(given?.n ?? 0)).toBe('done')
        expect([await journal.inbox.size(), await journal.inbox.put(told('c'))]).toEqual([0, 'done'])
      }),
    )
    it(
      'stays in order in its line, and holds up no other',
      withJournal(async (journal) => {
        for (const [id, line] of [
          ['a', 'one'],
          ['b', 'one'],
          ['c', 'two'],
        ] as const)
          await journal.inbox.put(told(id, line))
        const [first] = await journal.inbox.due(1000, 9)
        await journal.inbox.later(first?.n ?? 0, 5000)
        expect(await due(journal)).toEqual(['c'])
        expect((await journal.inbox.due(5000, 9)).map(({ id, tries }) => `${id} ${tries}`)).toEqual(['a 1', 'c 0'])
        await journal.inbox.done(first?.n ?? 0)
        expect(await due(journal)).toEqual(['b', 'c'])
      }),
    )
    it(
      'is forgotten after a while, unless it has not been dealt with',
      withJournal(async (journal) => {
        await journal.inbox.put(told('a'))
        await journal.inbox.put(told('b'))
        const [first] = await journal.inbox.due(1000, 9)
        await journal.inbox.done(first?.n ?? 0)
        expect(await journal.inbox.forget(101, 10)).toBe(1)
        expect([await journal.inbox.knows('a'), await journal.inbox.knows('b')]).toEqual([false, true])
      }),
    )
  })
  describe(`${name}: memos`, () => {
    it(
      'are kept by name in each workspace, replaced and removed',
      withJournal(async (journal) => {
        const [here, elsewhere] = [command('a'), command('a', 'one', { userId: UserId.parse('other') })]
        await journal.memos.remember(here, 'pull/1', 'one')
        await journal.memos.remember(here, 'pull/1', 'two')
        await journal.memos.remember(here, 'pull/2', 'three')
        await journal.memos.remember(here, 'pull%', 'no pattern')
        await journal.memos.remember(elsewhere, 'pull/1', 'theirs')
        expect(await journal.memos.recall(here, 'pull/1')).toBe('two')
        expect([...(await journal.memos.recallAll(here, 'pull/'))]).toEqual([
          ['pull/1', 'two'],
          ['pull/2', 'three'],
        ])
        await journal.memos.remember(here, 'pull/1', undefined)
        expect(await journal.memos.recall(here, 'pull/1')).toBeUndefined()
        expect(await journal.memos.recall(elsewhere, 'pull/1')).toBe('theirs')
      }),
    )
  })
}
