import type { Redact } from '../../../src/observe/redact.ts'
import type { Log } from '../../../src/ways/github/desk.ts'

/** Each line is an object with an `event`, which the platform's logs can be searched by; secrets are redacted in all of it. */
export function openLog(redact: Redact, about: Readonly<Record<string, string>>): Log {
  const write =
    (level: 'info' | 'warn' | 'error') =>
    (line: Readonly<Record<string, unknown>>): void =>
      console[level](redact(JSON.stringify({ level, ...about, ...line }, asText)))
  return { info: write('info'), warn: write('warn'), error: write('error') }
}

const asText = (_: string, value: unknown): unknown =>
  value instanceof Error ? { name: value.name, message: value.message, stack: value.stack } : typeof value === 'bigint' ? String(value) : value
