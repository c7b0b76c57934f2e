import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Secrets } from './redact.ts'
import { firstLine, printable } from './text.ts'

it('a secret is redacted in every form in which it may turn up', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, maxLength: 60, unit: 'grapheme' }), (secret) => {
      const { redact } = new Secrets([secret])
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
      const redacted = new Secrets([secret]).redact(form)
      expect(redacted).toContain('[redacted]')
      expect(Buffer.from(redacted, 'base64').toString('latin1')).not.toContain('the-model')
      expect(new Secrets([secret]).isIn(Buffer.from(`in a file ${form}`))).toBe(true)
    }
  }
  expect(new Secrets([secret]).isIn(Buffer.from('CANARY-of-another-key'))).toBe(false)
})

it('without secrets nothing changes, and short ones would hide ordinary words', () => {
  expect(new Secrets([]).redact('text')).toBe('text')
  expect(new Secrets(['a', '']).redact('a text')).toBe('a text')
})

it('text for a page or a log holds no control characters and no overrides of direction', () => {
  expect(printable('a\u0007\u001b]8;;x\u0007b\u202ec\r\n\td', 100)).toBe('a]8;;xbc\n\td')
  expect(printable('x'.repeat(10), 5)).toBe('xxxx…')
  expect(firstLine('\n  \n  one   two \nthree', 100)).toBe('one two')
})

it('secrets that come later are redacted from then on, and a bounded number of them is known', () => {
  const secrets = new Secrets(['the-first-secret'])
  expect(secrets.redact('token-number-7')).toBe('token-number-7')
  secrets.keep('the-key-of-the-vault')
  for (let at = 0; at < 300; at += 1) secrets.keepToken(`token-number-${at}-of-many`)
  secrets.keepToken('token-number-270-of-many')
  secrets.keepToken('one-more-of-them')
  expect(secrets.redact('the-first-secret token-number-299-of-many token-number-270-of-many token-number-0-of-many')).toBe(
    '[redacted] [redacted] [redacted] token-number-0-of-many',
  )
  expect(secrets.isIn(Buffer.from('token-number-299-of-many'))).toBe(true)
  expect(secrets.redact('the-key-of-the-vault')).toBe('[redacted]') // however many tokens there were since
})
