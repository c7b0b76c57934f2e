import { expect, it } from 'vitest'
import { BadSettings, readSettings } from './settings.ts'

it('without a file, or with an empty one, people with write access are served when they open an issue', () => {
  for (const text of [undefined, '', '# nothing\n'])
    expect(readSettings(text)).toEqual({
      triggers: { opened: true, labels: [], assignees: [], comments: 'all', reviews: 'all', checks: true, conflicts: true },
      who: 'write',
      draft: false,
    })
})

it('takes what it knows', () => {
  const text = 'triggers:\n  opened: false\n  labels: [robot]\n  mention: "@robot"\n  comments: mention\nwho: maintain\ndraft: true\nmaxCostUsd: 2.5\n'
  expect(readSettings(text)).toMatchObject({
    triggers: { opened: false, labels: ['robot'], mention: '@robot', comments: 'mention', reviews: 'all' },
    who: 'maintain',
    draft: true,
    maxCostUsd: 2.5,
  })
})

it.each([
  ['draft: perhaps', 'draft: must be true or false'],
  ['run: rm -rf /', 'run: is not a setting'],
  ['triggers:\n  env: {A: b}', 'triggers.env: is not a setting'],
  ['who: everyone', 'who: must be admin, maintain, write, triage, read or anyone'],
  ['maxCostUsd: 0', 'maxCostUsd: must be more than 0'],
  ['triggers: {mention: robot}', 'triggers.mention: must be a name such as @branchline'],
  ['__proto__: {draft: true}', '__proto__: is not a setting'],
  ['a: &a [x]\nb: *a', 'is not YAML'],
  ['draft: true\ndraft: false', 'is not YAML'],
  ['{', 'is not YAML'],
  ['[]', 'the file'],
  ['x'.repeat(70_000), 'at most 65536 characters'],
])('%j is refused with the field', (text, why) => {
  expect(() => readSettings(text)).toThrow(BadSettings)
  expect(() => readSettings(text)).toThrow(why)
})
