/** Colours, and what else a terminal acts on. */
const TERMINAL = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g')

/** Characters that change the order of what stands around them, or that a terminal acts on, as marks that can be seen. */
export const visible = (text: string): string =>
  text
    .replaceAll(TERMINAL, '')
    .replaceAll(/[^\P{Cc}\n\t]/gu, '�')
    .replaceAll(/[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase()}⟩`)

/** More than this of one text is shown only on request: it is more than anybody reads, and browsers are slow with it. */
export const LONG = 30_000

/** What a tool is about, in one line: its file, command or pattern where it says one. */
export function gist(input: string): string {
  const [, said] = /"(?:file_path|command|pattern|path|url|description)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(input) ?? []
  return visible((said ?? input.split('\n', 1)[0] ?? '').replaceAll(String.raw`\n`, ' ').slice(0, 120))
}

/** The name of a thread that the console has made, as a person reads it; others as they are. */
export function titleOf(threadId: string): string {
  const made = /^(.+)-[2-9][a-z2-9]{4}$/.exec(threadId)?.[1]
  if (made === undefined) return threadId
  const words = made.replaceAll('-', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Of the end of a name: none that is taken for another one. */
const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'
const DIGITS = '23456789'

/** A name that the text suggests, with an ending that is hardly ever drawn twice. */
export function newName(text: string): string {
  const words =
    text
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.slice(0, 7)
      .join('-')
      .slice(0, 44) ?? 'thread'
  const [first = 0, ...more] = crypto.getRandomValues(new Uint8Array(5))
  const random = [DIGITS[first % DIGITS.length], ...more.map((byte) => LETTERS[byte % LETTERS.length])].join('')
  return `${words}-${random}`
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' })

/** How long ago that was, such as `5 min. ago`. */
export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? ['second', 0]
  return size === 0 ? 'now' : RELATIVE.format(-Math.floor(seconds / size), unit)
}

const MONEY = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', minimumFractionDigits: 2, maximumFractionDigits: 2 })
/** In USD; less than a cent is said so. */
export const money = (usd: number): string => (usd > 0 && usd < 0.01 ? '< $0.01' : MONEY.format(usd))
