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
  Buffer.from(secret).toString('base64').replaceAll('=', ''),
  Buffer.from(secret).toString('base64url'),
  Buffer.from(secret).toString('hex'),
]

export function redactor(secrets: readonly string[]): Redact {
  const values = [...new Set(secrets.filter((secret) => secret.length >= SHORTEST_SECRET).flatMap(forms))]
  if (values.length === 0) return (text) => text
  const pattern = new RegExp(
    values
      .toSorted((a, b) => b.length - a.length)
      .map(escaped)
      .join('|'),
    'g',
  )
  return (text) => text.replace(pattern, '[redacted]')
}
