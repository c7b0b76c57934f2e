import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lineOf, meaningOf, readEvent } from './event.ts'

/** Payloads that GitHub has sent, kept by others. */
interface Example {
  readonly name: string
  readonly examples: readonly Readonly<Record<string, unknown>>[]
}
const EXAMPLES: readonly Example[] = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('@octokit/webhooks-examples/api.github.com/index.json'), 'utf8'),
)
const examplesOf = (name: string) => EXAMPLES.find((each) => each.name === name)?.examples ?? []

describe('payloads that GitHub has sent', () => {
  it('are all read without an error; those that may be meant for us say what they mean', () => {
    const kinds = new Map<string, number>()
    for (const { name, examples } of EXAMPLES) {
      for (const payload of examples) {
        // Checks of branches that are none of ours are passed over.
        const ofOurs: unknown = JSON.parse(JSON.stringify(payload).replaceAll(/"head_branch":"[^"]*"/g, '"head_branch":"thread-issue-1"'))
        const event = readEvent(name, ofOurs)
        if (event === undefined) continue
        expect(meaningOf(event)).toMatch(/^github \d+ /)
        expect(lineOf(event)).toMatch(/^github \d+ /)
        const kind = event.kind === 'message' ? event.by : event.kind
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      }
    }
    const count = (name: string, action: string): number => examplesOf(name).filter((payload) => payload['action'] === action).length
    expect(Object.fromEntries(kinds)).toMatchObject({
      opened: count('issues', 'opened'),
      labeled: count('issues', 'labeled'),
      comment: count('issue_comment', 'created'),
      'review comment': count('pull_request_review_comment', 'created'),
      'check ended': count('check_run', 'completed'),
    })
    expect(kinds.get('closed')).toBe(count('issues', 'closed') + count('pull_request', 'closed'))
  })

  it('with other actions mean nothing to us: nothing that was edited, deleted or transferred', () => {
    for (const { name, examples } of EXAMPLES.filter((each) => each.name !== 'push')) {
      for (const payload of examples) {
        for (const action of ['edited', 'deleted', 'transferred', 'created_', '__proto__', 'dismissed'])
          expect(readEvent(name, { ...payload, action })).toBeUndefined()
      }
    }
  })
})

const repository = { id: 1, name: 'site', owner: { login: 'acme' }, default_branch: 'main' }
const alice = { login: 'alice', id: 7, type: 'User' }
const issue = { number: 5, title: 'Title', body: null, user: alice, created_at: '2026-01-01T00:00:00Z', updated_at: '2026-01-01T00:00:05Z' }
const comment = { id: 9, body: 'text', user: alice, performed_via_github_app: null }
const commented = { action: 'created', sender: alice, repository, issue, comment }

describe('who acts', () => {
  it.each([
    ['the sender is a bot by type', { sender: { ...alice, type: 'Bot' } }],
    ['the sender is a bot by name', { sender: { ...alice, login: 'helper[bot]' } }],
    ['the comment is of a bot', { comment: { ...comment, user: { ...alice, login: 'helper[bot]' } } }],
    ['an app wrote it in the name of a person', { comment: { ...comment, performed_via_github_app: { id: 3 } } }],
  ])('is a bot where %s', (_, change) => {
    expect(readEvent('issue_comment', { ...commented, ...change })).toMatchObject({ actor: { isBot: true } })
  })

  it('is one where an app opened the issue, or wrote in a review, in the name of a person', () => {
    const app = { performed_via_github_app: { id: 3 } }
    expect(readEvent('issues', { ...commented, action: 'opened', issue: { ...issue, ...app } })).toMatchObject({ actor: { isBot: true } })
    const pull = { number: 6, title: 'Pull', body: null, user: alice, head: { ref: 'x', sha: 'a', repo: { id: 1 } }, base: { ref: 'main' } }
    const written = { ...commented, comment: { ...comment, path: 'a', diff_hunk: '', ...app }, pull_request: pull }
    expect(readEvent('pull_request_review_comment', written)).toMatchObject({ actor: { isBot: true } })
  })

  it('is a person otherwise', () => expect(readEvent('issue_comment', commented)).toMatchObject({ actor: { login: 'alice', isBot: false }, text: 'text' }))
})

it('the same thing has one meaning, whatever else the payload says of it', () => {
  const meaning = (change: object): string => {
    const event = readEvent('issue_comment', { ...commented, ...change })
    return event === undefined ? '' : meaningOf(event)
  }
  expect(meaning({ sender: { ...alice, login: 'bob' } })).toBe(meaning({}))
  expect(meaning({ comment: { ...comment, id: 10 } })).not.toBe(meaning({}))
  expect(meaning({ repository: { ...repository, id: 2 } })).not.toBe(meaning({}))
})

it('texts are bounded, and hold no half characters and no NUL', () => {
  const event = readEvent('issue_comment', { ...commented, comment: { ...comment, body: `a\0${'😀'.repeat(60_000)}` } })
  const text = event?.kind === 'message' ? event.text : ''
  expect(text.length).toBeLessThanOrEqual(40_000)
  expect(text.isWellFormed()).toBe(true)
  expect(text).not.toContain('\0')
})

it.each([
  null,
  7,
  'text',
  [],
  {},
  { repository },
  { ...commented, repository: { ...repository, name: '../..' } },
  { ...commented, issue: { ...issue, number: -1 } },
])('%j means nothing', (payload) => {
  for (const name of ['issues', 'issue_comment', 'push', 'pull_request', 'check_run']) expect(readEvent(name, payload)).toBeUndefined()
})

it('checks and pushes of other branches than those of threads, or of those, are passed over', () => {
  const check = (head_branch: string) => ({ sender: alice, repository, action: 'completed', check_run: { id: 1, head_sha: 'a', check_suite: { head_branch } } })
  expect(readEvent('check_run', check('main'))).toBeUndefined()
  expect(readEvent('check_run', check('thread-issue-1'))).toMatchObject({ kind: 'check ended' })
  expect(readEvent('push', { sender: alice, repository, ref: 'refs/heads/thread-issue-1', after: 'a'.repeat(40) })).toBeUndefined()
})

it('a branch that was deleted is not one that moved', () => {
  const pushed = { sender: alice, repository, ref: 'refs/heads/main', after: 'a'.repeat(40) }
  expect(readEvent('push', pushed)).toMatchObject({ kind: 'pushed', branch: 'main' })
  expect(readEvent('push', { ...pushed, after: '0'.repeat(40) })).toBeUndefined()
  expect(readEvent('push', { ...pushed, ref: 'refs/tags/v1' })).toBeUndefined()
})
