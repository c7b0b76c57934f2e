import { describe, expect, it } from 'vitest'
import type { Message } from './event.ts'
import { readSettings } from './settings.ts'
import { isWanted, type Known } from './triggers.ts'

const message = (by: Message['by'], text = 'text', name?: string): Message => ({
  kind: 'message',
  by,
  number: 5,
  onPull: false,
  subject: { title: '', body: '', author: 'alice', createdAt: '' },
  text,
  answerTo: { kind: 'issue', id: 5 },
  repository: { id: 1, owner: 'acme', name: 'site', defaultBranch: 'main' },
  actor: { login: 'alice', id: 7, isBot: false },
  ...(name === undefined ? {} : { name }),
})
const known: Known = { thread: false, ownPull: false, slug: 'branchline' }
const wanted = (of: Message, settings = '', more: Partial<Known> = {}): boolean => isWanted(of, readSettings(settings), { ...known, ...more })

describe('a mention', () => {
  it.each(['@branchline', 'hey @Branchline, do', 'do it (@branchline)', 'x\n@branchline: y', '"@branchline"'])('is %j', (text) =>
    expect(wanted(message('comment', text))).toBe(true),
  )
  it.each(['branchline', '@branchline-dev', 'a@branchline', '> @branchline do', '@branchline/team', 'x@branchline.example'])('is not %j', (text) =>
    expect(wanted(message('comment', text))).toBe(false),
  )
  it('is of the name that the repository chose', () => {
    expect(wanted(message('comment', '@robot'), 'triggers: {mention: "@robot"}')).toBe(true)
    expect(wanted(message('comment', '@branchline'), 'triggers: {mention: "@robot"}')).toBe(false)
  })
})

it.each([
  ['an issue that is opened', message('opened'), '', {}, true],
  ['not where that is switched off', message('opened'), 'triggers: {opened: false}', {}, false],
  ['but with a mention', message('opened', 'please @branchline'), 'triggers: {opened: false}', {}, true],
  ['a label of the settings', message('labeled', '', 'Robot'), 'triggers: {labels: [robot]}', {}, true],
  ['no other label', message('labeled', '@branchline', 'bug'), 'triggers: {labels: [robot]}', {}, false],
  ['an assignment', message('assigned', '', 'robot'), 'triggers: {assignees: [robot]}', {}, true],
  ['a comment in a thread of ours', message('comment'), '', { thread: true }, true],
  ['no comment elsewhere', message('comment'), '', {}, false],
  ['only mentions where that is asked for', message('comment'), 'triggers: {comments: mention}', { thread: true }, false],
  ['no comment at all', message('comment', '@branchline'), 'triggers: {comments: none}', { thread: true }, false],
  ['a review of a pull request of ours', message('review'), '', { thread: true, ownPull: true }, true],
  ['a comment in it', message('review comment'), '', { thread: true, ownPull: true }, true],
  ['no review of others', message('review'), '', { thread: true }, false],
  ['but with a mention', message('review', '@branchline'), '', {}, true],
  ['no review at all', message('review', '@branchline'), 'triggers: {reviews: none}', { ownPull: true }, false],
] as const)('%s', (_, of, settings, more, answer) => expect(wanted(of, settings, more)).toBe(answer))
