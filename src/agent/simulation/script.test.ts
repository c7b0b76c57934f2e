import { expect, it } from 'vitest'
import { next } from './script.ts'

it.each([
  ['write a b.txt', 'say'],
  ['write a.txt: one', 'call'],
  ['Write a.txt: two\nlines', 'call'],
  ['replace A with B in c.txt', 'call'],
  ['run ls -l', 'call'],
  ['wait 3 seconds', 'call'],
  ['wait for me', 'say'],
])('%s → %s', (text, kind) => expect(next(text, []).kind).toBe(kind))

it('instructions joined by then are carried out one after the other', () => {
  const text = 'write a.txt: first then second then write b.txt: third'
  expect(next(text, [])).toMatchObject({ call: { tool: 'Write', input: { file_path: 'a.txt', content: 'first then second' } } })
  expect(next(text, ['ok'])).toMatchObject({ call: { input: { file_path: 'b.txt', content: 'third' } } })
  expect(next(text, ['ok', 'ok'])).toMatchObject({ kind: 'say', text: expect.stringContaining('Wrote a.txt, Wrote b.txt') })
})

it('a file that has to be read first is read, then written', () => {
  expect(next('write a.txt: x', ['<tool_use_error>File has not been read yet.</tool_use_error>'])).toMatchObject({ call: { tool: 'Read' } })
  expect(next('write a.txt: x', ['<tool_use_error>', 'content'])).toMatchObject({ call: { tool: 'Write' } })
})

it('messages that were taken along are carried out in order', () => {
  expect(next('write a.txt: one\n\n---\n\nwrite b.txt: two', ['ok'])).toMatchObject({ call: { input: { file_path: 'b.txt' } } })
})

it('a remark on a line or an element is carried out by what it asks for', () => {
  const remark = 'src/pages/index.astro:7\n> <h1> Fresh bread\nreplace Fresh with Warm in src/pages/index.astro'
  expect(next(remark, ['ok'])).toMatchObject({ call: { tool: 'Edit', input: { old_string: 'Fresh' } } })
  expect(next(`${remark}\n\na.txt:1\n> x\nwrite a.txt: y`, ['ok', 'ok'])).toMatchObject({ call: { tool: 'Write', input: { file_path: 'a.txt' } } })
  expect(next('a.txt:1\n> x\nwhat is this?', [])).toMatchObject({ kind: 'say' })
})
