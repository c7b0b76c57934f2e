import fc from 'fast-check'
import { expect, it } from 'vitest'
import { redactor, secretFinder } from './redact.ts'
import { firstLine, printable } from './text.ts'

it('a secret is redacted in every form in which it may turn up', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, maxLength: 60, unit: 'grapheme' }), (secret) => {
      const redact = redactor([secret])
      for (const form of [
        secret,
        JSON.stringify(secret).slice(1, -1),
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
        Buffer.from(secret).toString('hex'),
      ]) {
        expect(redact(`before ${form} after`)).toBe('before [redacted] after')
      }
    }),
  )
})

it('a secret in the middle of something encoded is redacted, and a file that holds it is found', () => {
  const secret = 'CANARY-of-the-model-key'
  for (const around of ['', 'x', 'xy', 'xyz', 'user:']) {
    const text = `${around}${secret}${around}`
    for (const form of [text, Buffer.from(text).toString('base64'), Buffer.from(text).toString('base64url'), Buffer.from(text).toString('hex').toUpperCase()]) {
      const redacted = redactor([secret])(form)
      expect(redacted).toContain('[redacted]')
      expect(Buffer.from(redacted, 'base64').toString('latin1')).not.toContain('the-model')
      expect(secretFinder([secret])(Buffer.from(`in a file ${form}`))).toBe(true)
    }
  }
  expect(secretFinder([secret])(Buffer.from('CANARY-of-another-key'))).toBe(false)
})

it('without secrets nothing changes, and short ones would hide ordinary words', () => {
  expect(redactor([])('text')).toBe('text')
  expect(redactor(['a', ''])('a text')).toBe('a text')
})

it('text for a page or a log holds no control characters and no overrides of direction', () => {
  expect(printable('a\u0007\u001b]8;;x\u0007b\u202ec\r\n\td', 100)).toBe('a]8;;xbc\n\td')
  expect(printable('x'.repeat(10), 5)).toBe('xxxx…')
  expect(firstLine('\n  \n  one   two \nthree', 100)).toBe('one two')
})
