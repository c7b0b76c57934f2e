// What the console and the script in a page of the preview say to each other (src/preview/in-page/in-page.js).

/** An element that somebody has picked in the preview. All of it is what the site says, and a site may say anything. */
export interface Picked {
  readonly kind: 'picked'
  readonly tag: string
  readonly text: string
  /** CSS; as short as leads to it. */
  readonly selector: string
  /** Relative to the site. */
  readonly file?: string
  readonly line?: number
  readonly column?: number
}

export type FromPage =
  | Picked
  /** Escape was pressed. */
  | { readonly kind: 'pick-ended' }
  /** A page is being loaded: what was told of the one before is over, and it does not know that somebody picks. */
  | { readonly kind: 'begins' }
  /** A page is there, or has moved to another address. */
  | {
      readonly kind: 'at'
      readonly url: string
      /** It changes with its sources, without being loaded anew. */
      readonly follows: boolean
    }
  | { readonly kind: 'error'; readonly text: string }

export type ToPage = { readonly branchline: 'hello' } | { readonly branchline: 'pick'; readonly on: boolean }

const URL_LENGTH = 2000
const ERROR_LENGTH = 500
const TEXT_LENGTH = 200
const SELECTOR_LENGTH = 300
const FILE_LENGTH = 300
const LONGEST_FILE = 1_000_000
const TAG = /^[a-z][a-z0-9._-]{0,60}$/
/** No way out of the site, and nothing that would end the place that it stands in. */
const FILE = /^(?!\/|[a-z]:)(?!.*(?:^|\/)\.\.?(?:\/|$))[^\\():"'`<>]+$/i

/** Says something to the page in a frame, and to no other that may stand there by then. */
export function tellPage(frame: Window, origin: string, message: ToPage): void {
  frame.postMessage(message, origin)
}

/**
 * What the page in a frame says, or `undefined` where a message comes from elsewhere or makes no sense.
 *
 * @param origin of the preview: another page may have taken its place
 */
export function fromPage({ source, origin: from, data }: MessageEvent<unknown>, frame: Window | null, origin: string): FromPage | undefined {
  if (frame === null || source !== frame || from !== origin || typeof data !== 'object' || data === null) return undefined
  const said: Readonly<Record<string, unknown>> = { ...data }
  switch (said['branchline']) {
    case 'at': {
      const url = typeof said['url'] === 'string' && said['url'].length <= URL_LENGTH ? URL.parse(said['url']) : null
      return url?.origin === origin ? { kind: 'at', url: url.href, follows: said['follows'] === true } : undefined
    }
    case 'error': {
      const text = words(said['text'], ERROR_LENGTH)
      return text === undefined || text === '' ? undefined : { kind: 'error', text }
    }
    case 'picked':
      return pickedOf(said)
    case 'pick-ended':
    case 'begins':
      return { kind: said['branchline'] }
    default:
      return undefined
  }
}

function pickedOf(said: Readonly<Record<string, unknown>>): Picked | undefined {
  const [tag, text, selector] = [said['tag'], words(said['text'], TEXT_LENGTH), words(said['selector'], SELECTOR_LENGTH)]
  if (typeof tag !== 'string' || !TAG.test(tag) || text === undefined || selector === undefined) return undefined
  const file = typeof said['file'] === 'string' && said['file'].length <= FILE_LENGTH ? words(said['file'], FILE_LENGTH) : undefined
  const [line, column] = [number(said['line']), number(said['column'])]
  const picked: Picked = { kind: 'picked', tag, text, selector }
  if (file === undefined || !FILE.test(file)) return picked
  if (line === undefined) return { ...picked, file }
  return { ...picked, file, line, ...(column === undefined ? {} : { column }) }
}

/** One line of text that is seen as it is: without control characters, and without those that turn its direction or show nothing. */
function words(value: unknown, length: number): string | undefined {
  if (typeof value !== 'string') return undefined
  return value
    .slice(0, length * 2)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll(/[\p{Cf}\p{Co}\p{Cs}\p{Cn}]/gu, '')
    .trim()
    .slice(0, length)
    .toWellFormed()
}

const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= LONGEST_FILE ? value : undefined

/** What a remark on an element is about: its place in the source where that is known, and what it shows. */
export function placeOf({ tag, text, selector, file, line }: Picked): { readonly where: string; readonly quote: string } {
  const where = file === undefined ? selector : line === undefined ? `${file}, ${selector}` : `${file}:${line}`
  return { where, quote: `<${tag}>${text === '' ? '' : ` ${text}`}` }
}
