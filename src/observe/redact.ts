/**
 * Replaces live secrets, in every form in which they may turn up, by `[redacted]`.
 * By value and not by pattern: the format of tokens changes, the values in use are known.
 */
export type Redact = (text: string) => string

/** Shorter values would redact ordinary words. */
const SHORTEST_SECRET = 6
/** Tokens of an hour: so many of the last ones are known. */
const MAX_TOKENS = 100

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

/** Every live secret, by value: those of the configuration, and those that come later. */
export class Secrets {
  readonly #kept: Set<string>
  readonly #tokens = new Set<string>()
  #patterns: { readonly text: RegExp | undefined; readonly bytes: RegExp | undefined } | undefined

  constructor(secrets: readonly string[]) {
    this.#kept = new Set(secrets)
  }

  /** From here on it is redacted, as long as the service runs. */
  keep(secret: string): void {
    if (this.#kept.has(secret)) return
    this.#kept.add(secret)
    this.#patterns = undefined
  }

  /** A token that ends by itself within the hour. */
  keepToken(token: string): void {
    if (!this.#tokens.delete(token)) this.#patterns = undefined
    this.#tokens.add(token) // the last one that was used
    for (const oldest of this.#tokens) if (this.#tokens.size > MAX_TOKENS) this.#tokens.delete(oldest)
  }

  readonly redact: Redact = (text) => {
    const { text: pattern } = this.#compiled()
    return pattern === undefined ? text : text.replace(pattern, '[redacted]')
  }

  /** Says whether the name or content of a file holds a live secret, in any of the forms that are redacted elsewhere. */
  readonly isIn = (content: Buffer): boolean => this.#compiled().bytes?.test(content.toString('latin1')) === true

  #compiled() {
    if (this.#patterns !== undefined) return this.#patterns
    const all = [...this.#kept, ...this.#tokens]
    const [text, bytes] = [patternOf(all), patternOf(all.map((secret) => Buffer.from(secret).toString('latin1')))]
    return (this.#patterns = { text: text === '' ? undefined : new RegExp(text, 'g'), bytes: bytes === '' ? undefined : new RegExp(bytes) })
  }
}
