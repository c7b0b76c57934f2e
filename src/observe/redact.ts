/**
 * Replaces live secrets, in every form in which they may turn up, by `[redacted]`.
 * By value and not by pattern: the format of tokens changes, the values in use are known.
 */
export type Redact = (text: string) => string

/** Shorter values would redact ordinary words. */
const SHORTEST_SECRET = 6

const escaped = (value: string): string => value.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

const forms = (secret: string): readonly string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64'),
  ...[0, 1, 2].flatMap((offset) => [inside(secret, offset, 'base64'), inside(secret, offset, 'base64url')]),
  Buffer.from(secret).toString('hex'),
  Buffer.from(secret).toString('hex').toUpperCase(),
]

/** What is the same in the base64 of every text that holds the secret behind `offset` bytes, modulo three. */
function inside(secret: string, offset: number, encoding: 'base64' | 'base64url'): string {
  const whole = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)])
  const from = Math.ceil((offset * 4) / 3)
  return whole
    .toString(encoding)
    .replaceAll('=', '')
    .slice(from, Math.floor((whole.length * 4) / 3))
}

const patternOf = (secrets: readonly string[]): string =>
  [...new Set(secrets.filter((secret) => secret.length >= SHORTEST_SECRET).flatMap(forms))]
    .filter((form) => form.length >= SHORTEST_SECRET)
    .toSorted((a, b) => b.length - a.length)
    .map(escaped)
    .join('|')

export function redactor(secrets: readonly string[]): Redact {
  const pattern = patternOf(secrets)
  if (pattern === '') return (text) => text
  const every = new RegExp(pattern, 'g')
  return (text) => text.replace(every, '[redacted]')
}

/** Says whether the name or content of a file holds a live secret, in any of the forms that are redacted elsewhere. */
export function secretFinder(secrets: readonly string[]): (content: Buffer) => boolean {
  const pattern = patternOf(secrets.map((secret) => Buffer.from(secret).toString('latin1')))
  if (pattern === '') return () => false
  const any = new RegExp(pattern)
  return (content) => any.test(content.toString('latin1'))
}
