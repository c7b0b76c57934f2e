import { withoutReferences } from '../../observe/text.ts'

/** Longest body of a comment or pull request, in UTF-16 code units; GitHub refuses more than 65,536 characters. */
const MAX_BODY = 60_000

/** What a reader does not see: zero-width, bidirectional, control and tag characters, the soft hyphen. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}|[\u202A-\u202E\u2066-\u2069]|[^\P{Cc}\n\t]/gu

/**
 * Text that somebody wrote on GitHub, without what its page does not show: HTML comments, unseen characters, texts behind images and
 * links, attributes. A person who reads the issue has read what the agent is told.
 */
export function shownText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replaceAll(/&#(x[0-9a-f]{1,6}|\d{1,7});/gi, (_, code: string) => characterOf(code))
    .replaceAll(UNSEEN, '')
    .split('![')
    .map((part, at) => (at === 0 ? part : withoutAlternative(part)))
    .join('![')
    .replaceAll(/(\]\([^()\s]*)[ \t]+(?:"[^"\n]*"|'[^'\n]*')(?=\))/g, '$1')
    .replaceAll(/[ \t](?:alt|title|aria-label|placeholder|data-[\w-]+)=(?:"[^"<>\n]*"|'[^'<>\n]*')/gi, '')
    .trim()
}

/** What stands behind an image, up to its address. */
function withoutAlternative(part: string): string {
  const end = part.indexOf('](')
  const line = part.indexOf('\n')
  return end === -1 || (line !== -1 && line < end) ? part : part.slice(end)
}

function characterOf(code: string): string {
  const point = code.startsWith('x') || code.startsWith('X') ? Number.parseInt(code.slice(1), 16) : Number(code)
  return point >= 0x20 && point <= 0x10_ff_ff && (point < 0xd8_00 || point > 0xdf_ff) ? String.fromCodePoint(point) : ''
}

const CUT = '\n\n… (cut)'
const BREAK = '\u200B'

/**
 * Text of an agent, or of a program, for a comment: it can mention nobody, close no issue, and load nothing from elsewhere when it is
 * looked at. A zero-width space breaks what GitHub would act on, in code too, since what counts as code is for GitHub to say.
 */
export function quietText(text: string, max = MAX_BODY): string {
  const cut = text.length > max ? text.slice(0, max - CUT.length).toWellFormed() + CUT : text
  const still = cut
    .replaceAll(UNSEEN, '')
    .replaceAll(/<(?=[A-Za-z/!?])/g, `<${BREAK}`)
    .replaceAll(/!(?=\[)/g, `!${BREAK}`)
  return withoutReferences(still)
}

/** One line of such text, without Markdown's own signs at its beginning. */
export const quietLine = (text: string, max: number): string =>
  quietText(
    text
      .replaceAll(/\s+/g, ' ')
      .replace(/^[\s#>*+-]+/, '')
      .trim(),
    max,
  )

/** A word that is not shown, by which what we wrote is found again. Only in what we wrote ourselves it means anything. */
export const markerOf = (what: string, key: string): string => `<!-- branchline ${what} ${key.replaceAll(/[^\w.:/ -]/g, '_')} -->`
