import { expect, it } from 'vitest'
import { Output, type OutputLine } from './output.ts'

function heard(...chunks: readonly string[]): readonly OutputLine[] {
  const lines: OutputLine[] = []
  const output = new Output((line) => lines.push(line))
  for (const chunk of chunks) output.add(chunk)
  return lines
}

it('reads objects and text line by line, however the pieces come', () => {
  expect(heard('{"message":"Failed","label":"glob-loader","lev', 'el":"error"}\n\u001b[31m[ERROR]\u001b[39m broken\nVITE ready\n')).toEqual([
    { message: 'Failed', label: 'glob-loader', level: 'error' },
    { message: '[ERROR] broken', label: 'ERROR', level: 'error' },
    { message: 'VITE ready', label: '', level: 'info' },
  ])
})

it('keeps a bounded number of bounded lines, without control characters', () => {
  const output = new Output(() => {})
  output.add(`${'x'.repeat(10_000_000)}`)
  output.add(`y\n`)
  for (let n = 0; n < 500; n += 1) output.add(`line ${n} \u0007\u202e\n`)
  expect(output.last(1000).length).toBeLessThanOrEqual(100)
  expect(output.last(1)).toEqual(['line 499'])
  expect(output.last(1000).every((line) => line.length <= 2000)).toBe(true)
})
