import { describe, expect, it } from 'vitest'
import { instructionOf } from './draft.ts'

describe('a message with remarks', () => {
  it('says of each remark where it is about and what stands there', () => {
    const remark = { where: 'src/pages/index.astro:12', quote: '<h1>Fresh</h1>\n<p>Bread</p>', text: 'Larger, please' }
    expect(instructionOf({ text: ' Change this: ', remarks: [remark] })).toBe(
      'Change this:\n\nsrc/pages/index.astro:12\n> <h1>Fresh</h1>\n> <p>Bread</p>\nLarger, please',
    )
  })

  it('is nothing where nothing was written', () => {
    expect(instructionOf({ text: ' \n', remarks: [] })).toBe('')
  })
})
