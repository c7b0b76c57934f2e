import { withoutReferences } from '../../observe/text.ts'

/** Longest body of a comment or pull request, in UTF-16 code units; GitHub refuses more than 65,536 characters. */
const MAX_BODY = 60_000

/** What a reader does not see: zero-width, bidirectional, control and tag characters, the soft hyphen. */
const UNSEEN = /\p{Default_Ignorable_Code_Point}|[\u202A-\u202E\u2066-\u2069]|[^\P{Cc}\n\t]/gu

/**
 * Text that somebody wrote on GitHub, without what its page does not show: comments and attributes of HTML, unseen characters, texts
 * behind images and links, definitions of links, what stands behind the language of a code block. A person who reads the issue has read
 * what the agent is told, but for drawings that are written as text.
 */
export function shownText(text: string): string {
  const plain = text
    .replaceAll('\r\n', '\n')
    .replaceAll(/<!--[\s\S]*?(?:-->|$)/g, '')
    .replaceAll(UNSEEN, '')
  return pieces(plain)
    .map(({ isCode, lines }) => (isCode ? lines.join('\n') : shownProse(lines.join('\n'))))
    .join('\n')
    .trim()
}

const shownProse = (text: string): string =>
  text
    .replaceAll(/<(?:!\[CDATA\[|[!?])[^>]*(?:>|$)/g, '')
    .replaceAll(/&#(x[0-9a-f]{1,6}|\d{1,7});/gi, (_, code: string) => characterOf(code))
    .replaceAll(UNSEEN, '')
    .replaceAll(/^[ \t]{0,3}\[[^\]\n]{1,500}\]:.*$/gm, '')
    .split('![')
    .map((part, at) => (at === 0 ? part : withoutAlternative(part)))
    .join('![')
    .split('](')
    .map((part, at) => (at === 0 ? part : part.replace(TITLE, '$1)')))
    .join('](')
    .split('<')
    .map((part, at) => (at === 0 ? part : withoutAttributes(part)))
    .join('<')

interface Piece {
  readonly isCode: boolean
  readonly lines: string[]
}

/**
 * Blocks of code, which a page shows as they are, and what stands between them. Only what begins behind an empty line and has its end is
 * taken for one: within HTML the same signs would mean nothing. Of the first line the language alone is shown.
 */
function pieces(text: string): readonly Piece[] {
  const all: Piece[] = [{ isCode: false, lines: [] }]
  let [fence, before] = ['', '']
  for (const line of text.split('\n')) {
    const [, opening = '', language = ''] = /^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`~]{0,40})[^`\n]*$/.exec(line) ?? []
    if (fence === '' && opening !== '' && before.trim() === '') {
      fence = opening
      all.push({ isCode: true, lines: [opening + language] })
    } else {
      all.at(-1)?.lines.push(line)
      if (fence !== '' && /^ {0,3}(?:`{3,}|~{3,})[ \t]*$/.test(line) && line.trim().startsWith(fence)) {
        fence = ''
        all.push({ isCode: false, lines: [] })
      }
    }
    before = line
  }
  if (fence === '') return all
  const open = all.pop()
  return [...all, { isCode: false, lines: open?.lines ?? [] }]
}

/** Behind `](`: an address, and a title that a page shows nowhere. */
const TITLE = /^(\s*(?:<[^>\n]{0,2000}>|[^\s()]{0,2000}))\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\((?:[^()\\]|\\.)*\))\s*\)/

/** What stands behind an image, up to its address or the name of it. */
function withoutAlternative(part: string): string {
  const end = /\](?=[([])/.exec(part)?.index ?? -1
  const gap = part.indexOf('\n\n')
  return end === -1 || (gap !== -1 && gap < end) ? part : part.slice(end)
}

/** A tag of HTML shows nothing of its attributes but where it leads to. */
function withoutAttributes(part: string): string {
  const [, name = ''] = /^(\/?[A-Za-z][\w-]{0,60})(?=[\s/>])/.exec(part) ?? []
  if (name === '') return part
  const end = part.lastIndexOf('>')
  if (end === -1) return part
  const [inside, behind] = [part.slice(name.length, end), part.slice(end + 1)]
  const [, leads = ''] = /\s(?:href|src)\s*=\s*(?:"([^"\s]{0,2000})"|'[^'\s]{0,2000}')/i.exec(inside) ?? []
  return `${name}${leads === '' ? '' : ` href="${leads}"`}>${behind}`
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
  const still = closed(cut)
    .replaceAll(UNSEEN, '')
    .replaceAll(/&(?=[#A-Za-z])/g, `&${BREAK}`)
    .replaceAll(/<(?=[A-Za-z/!?])/g, `<${BREAK}`)
    .replaceAll(/!(?=\[)/g, `!${BREAK}`)
  return withoutReferences(still)
}

/** A code block that is not ended would hold whatever comes behind the text. */
function closed(text: string): string {
  let open = ''
  for (const [, fence = ''] of text.matchAll(/^ {0,3}(`{3,}|~{3,})/gm)) {
    if (open === '') open = fence
    else if (fence.startsWith(open)) open = ''
  }
  return open === '' ? text : `${text}\n${open}`
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
