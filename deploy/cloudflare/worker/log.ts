import type { Log } from '../../../src/ways/github/desk.ts'

/** Values that may not be shown; the platform keeps what is written for days. */
export class Hidden {
  readonly #values = new Set<string>()

  keep(value: string | undefined): void {
    if (value !== undefined && value.length >= 8) this.#values.add(value)
  }

  redact = (text: string): string => [...this.#values].reduce((shown, value) => shown.replaceAll(value, '[redacted]'), text)
}

/** Each line is an object with an `event`, which the platform's logs can be searched by. */
export function openLog(hidden: Hidden, about: Readonly<Record<string, string>> = {}): Log {
  const write =
    (level: 'info' | 'warn' | 'error') =>
    (line: Readonly<Record<string, unknown>>): void =>
      console[level](hidden.redact(JSON.stringify({ level, ...about, ...line }, asText)))
  return { info: write('info'), warn: write('warn'), error: write('error') }
}

const asText = (_: string, value: unknown): unknown =>
  value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : typeof value === 'bigint' ? String(value) : value
