/** Text for a log, an event or a result: no control characters but line feed and tab, no bidirectional overrides, at most `max` characters. */
export function printable(text: string, max: number): string {
  const clean = text
    .slice(0, max * 4)
    .replaceAll(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, '')
    .toWellFormed()
  return clean.length <= max ? clean : `${clean.slice(0, max - 1).toWellFormed()}…`
}

const BREAK = '\u200B'

/** Text in which a forge finds nobody to mention and no issue to close: a zero-width space stands in each such word. */
export function withoutReferences(text: string): string {
  return text
    .replaceAll(/@(?=[A-Za-z0-9])/g, `@${BREAK}`)
    .replaceAll(/#(?=\d)/g, `#${BREAK}`)
    .replaceAll(/\b(GH)-(?=\d)/gi, `$1-${BREAK}`)
    .replaceAll(/\/(issues|pull)\/(?=[\d%/])/g, `/$1/${BREAK}`)
}

/** The first line that says something, at most `max` characters. */
export function firstLine(text: string, max: number): string {
  const line = printable(text, text.length)
    .split('\n')
    .map((each) => each.replaceAll(/\s+/g, ' ').trim())
    .find((each) => each !== '')
  return printable(line ?? '', max)
}

/** The message of whatever was thrown, with those of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`
}
