import { expect, it } from 'vitest'
import { targetOf } from './checkpoint.ts'

const step = (commit: string, parent: string, restores?: string) => ({ commit, parent, subject: `made ${commit}`, restores })
const THREE = [step('c1', 'c0'), step('c2', 'c1'), step('c3', 'c2')]

it('an empty wish goes one step back from where the thread stands', () => {
  expect(targetOf('', { base: 'c0', tip: 'c3', checkpoints: THREE })?.commit).toBe('c2')
  expect(targetOf('', { base: 'c0', tip: 'c1', checkpoints: [step('c1', 'c0')] })?.commit).toBe('c0')
  expect(targetOf('', { base: 'c0', tip: 'c0', checkpoints: [] })).toBeUndefined()
})

it('undoing twice goes two steps back, and an edit after an undo is undone to what was restored', () => {
  const undone = [...THREE, step('u1', 'c3', 'c2')]
  expect(targetOf('', { base: 'c0', tip: 'u1', checkpoints: undone })?.commit).toBe('c1')
  const edited = [...undone, step('c4', 'u1')]
  expect(targetOf('', { base: 'c0', tip: 'c4', checkpoints: edited })?.commit).toBe('c2')
})

it('a wish names a checkpoint by the beginning of its commit, if only one begins so', () => {
  const line = { base: 'aa00', tip: 'ab22', checkpoints: [step('ab11', 'aa00'), step('ab22', 'ab11')] }
  expect(targetOf('ab1', line)?.commit).toBe('ab11')
  expect(targetOf('aa', line)?.commit).toBe('aa00')
  expect(targetOf('ab', line)).toBeUndefined()
  expect(targetOf('ff', line)).toBeUndefined()
})
