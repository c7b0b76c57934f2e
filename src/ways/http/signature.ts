import { createHmac, timingSafeEqual } from 'node:crypto'

/** HMAC-SHA256 of a text, base64url, 43 characters. */
export const signatureOf = (key: Buffer, text: string): string => createHmac('sha256', key).update(text).digest('base64url')

/** Whether a signature is that of the text; how long it takes says nothing of where it differs. */
export function isSignature(shown: string, key: Buffer, text: string): boolean {
  const [given, right] = [Buffer.from(shown), Buffer.from(signatureOf(key, text))]
  return given.length === right.length && timingSafeEqual(given, right)
}
