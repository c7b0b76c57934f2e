import { stripVTControlCharacters } from 'node:util'
import { printable } from '../observe/text.ts'

/** One line that a dev server has written. */
export interface OutputLine {
  readonly message: string
  readonly level: 'info' | 'warn' | 'error'
  /** The part of it that speaks, where it says so. */
  readonly label: string
}

const KEPT_LINES = 100
/** Of a line, in UTF-16 code units; what is longer is cut. */
const LINE_LENGTH = 2000

/** The last lines of a program's output, without colours and control characters. */
export class Output {
  readonly #lines: string[] = []
  readonly #hear: (line: OutputLine) => void
  #rest = ''

  constructor(hear: (line: OutputLine) => void) {
    this.#hear = hear
  }

  add(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = (lines.pop() ?? '').slice(-LINE_LENGTH * 10)
    for (const text of lines) {
      const line = lineOf(text)
      if (line.message === '') continue
      this.#lines.push(line.message)
      if (this.#lines.length > KEPT_LINES) this.#lines.shift()
      this.#hear(line)
    }
  }

  /** Forgets what another process has said. */
  clear(): void {
    this.#lines.length = 0
    this.#rest = ''
  }

  /** The last lines, oldest first. */
  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }
}

/** Astro writes one JSON object a line; others write text, where `[ERROR]` is all there is to tell. */
function lineOf(text: string): OutputLine {
  const { message, level, label } = parsed(text)
  const plain = printable(stripVTControlCharacters(message ?? text), LINE_LENGTH).trim()
  const found = level ?? (/\berror\b/i.test(plain.slice(0, 40)) ? 'error' : 'info')
  return {
    message: plain,
    level: found === 'error' || found === 'warn' ? found : 'info',
    label: label ?? /^(?:\S+ )?(?:\[ERROR\] )?\[([\w-]+)\]/.exec(plain)?.[1] ?? '',
  }
}

function parsed(text: string): { readonly message?: string; readonly level?: string; readonly label?: string } {
  if (!text.startsWith('{"')) return {}
  try {
    const { message, level, label } = JSON.parse(text)
    return {
      ...(typeof message === 'string' ? { message } : {}),
      ...(typeof level === 'string' ? { level } : {}),
      ...(typeof label === 'string' ? { label } : {}),
    }
  } catch {
    return {} // a line that only looks like it
  }
}
