import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { isSigned } from './signature.ts'

/** The vector of GitHub's documentation (Validating webhook deliveries). */
const SECRET = "It's a Secret to Everybody"
const BODY = new TextEncoder().encode('Hello, World!')
const SIGNATURE = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'

it("GitHub's own example is signed", async () => expect(await isSigned(BODY, SIGNATURE, [SECRET])).toBe(true))

it('any of several secrets may have signed', async () => {
  expect(await isSigned(BODY, SIGNATURE, ['another', SECRET])).toBe(true)
  expect(await isSigned(BODY, SIGNATURE, ['another', ''])).toBe(false)
  expect(await isSigned(BODY, SIGNATURE, [])).toBe(false)
})

it('with any byte of the body or the signature changed it is not', async () => {
  for (let at = 0; at < BODY.length; at += 1) {
    const changed = BODY.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    expect(await isSigned(changed, SIGNATURE, [SECRET])).toBe(false)
  }
  for (let at = 'sha256='.length; at < SIGNATURE.length; at += 1) {
    const changed = SIGNATURE.slice(0, at) + (SIGNATURE[at] === '0' ? '1' : '0') + SIGNATURE.slice(at + 1)
    expect(await isSigned(BODY, changed, [SECRET])).toBe(false)
  }
})

it('bytes that are no text are compared as they are', async () => {
  const bytes = Uint8Array.from([0xef, 0xbb, 0xbf, 0xff, 0xfe, 0x00])
  const signature = `sha256=${createHmac('sha256', SECRET).update(bytes).digest('hex')}`
  expect(await isSigned(bytes, signature, [SECRET])).toBe(true)
  expect(await isSigned(bytes.slice(3), signature, [SECRET])).toBe(false)
})

it.each([
  undefined,
  null,
  '',
  'sha256=',
  'sha256=zz',
  `sha1=${'a'.repeat(40)}`,
  SIGNATURE.toUpperCase(),
  ` ${SIGNATURE}`,
  SIGNATURE.slice(0, -1),
  `${SIGNATURE}0`,
])('%s is no signature', async (header) => expect(await isSigned(BODY, header, [SECRET])).toBe(false))
