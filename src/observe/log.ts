import { pino, type Logger } from 'pino'
import type { Redact } from './redact.ts'

export type Log = Logger

/** Structured log: one JSON object a line on standard error, secrets redacted in every field, error and cause. */
export function openLog(level: string, redact: Redact): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks: { streamWrite: redact } }, pino.destination({ dest: 2, sync: true }))
}
