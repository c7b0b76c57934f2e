import { expect, it } from 'vitest'
import { queueName } from './names.ts'

it('a queue of a container has the name that operators expect', () => {
  expect(queueName('branchline', 'input', ['acme', 'site', 'anna'], false)).toBe('branchline-input-acme-site-anna')
  expect(queueName('branchline', 'output', ['acme', 'site', 'anna'], true)).toBe('branchline-output-acme-site-anna.fifo')
})

it('names are such as SQS takes, and those of two threads are never the same', () => {
  const parts = [
    ['a-b', 'c', 'd', 'e'],
    ['a', 'b-c', 'd', 'e'],
    ['a', 'b', 'c', 'x'.repeat(128)],
    ['a', 'b', 'c', `${'x'.repeat(127)}y`],
    ['a', 'b', 'c', 'anna@example.com'],
    ['a', 'b', 'c', 'anna_example_com'],
  ]
  const names = parts.map((each) => queueName('branchline', 'input', each, true))
  expect(new Set(names).size).toBe(parts.length)
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,75}\.fifo$/)
})
