import { expect, it } from 'vitest'
import { ago, gist, money, newName, titleOf, visible } from './text.ts'

it('shows what would turn the order of letters, or be acted on by a terminal', () => {
  expect(visible('\u001B[31mred\u001B[0m \u202Eegamad \u0007\n\ttext')).toBe('red ⟨U+202E⟩egamad �\n\ttext')
})

it('says in one line what a tool is about', () => {
  expect(gist('{"command":"npm run build\\nls","description":"Build"}')).toBe('npm run build ls')
  expect(gist('{"file_path":"src/a.ts"}')).toBe('src/a.ts')
  expect(gist('anything\nelse')).toBe('anything')
})

it('names a thread by what is asked for, and shows that name as words', () => {
  const name = newName('Replace “Fresh” with Warm, please, at once')
  expect(name).toMatch(/^replace-fresh-with-warm-please-at-once-[2-9][a-z2-9]{4}$/)
  expect(titleOf(name)).toBe('Replace fresh with warm please at once')
  for (const other of ['issue-12', 'fix-menu', 'main-page', 'hello']) expect(titleOf(other)).toBe(other)
  expect(newName('über 日本語')).toMatch(/^ber-[2-9][a-z2-9]{4}$/)
})

it('says how long ago something was, and what it cost', () => {
  const now = Date.parse('2026-11-26T12:00:00Z')
  expect(ago('2026-11-26T11:59:40Z', now)).toBe('now')
  expect(ago('2026-11-26T11:54:00Z', now)).toMatch(/6\s?m/)
  expect([money(0), money(0.001), money(12.5)]).toEqual(['$0.00', '< $0.01', '$12.50'])
})
