import { readFile, realpath } from 'node:fs/promises'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { Transform } from 'node:stream'

/** Where the gateway has the script that speaks with the console; by an address, because a site's policy may forbid scripts without one. */
export const SCRIPT = '/__branchline/in-page.js'
/** Of a page, in bytes, that is looked at for its `<head>`. */
const LOOK_LENGTH = 64 * 1024
/** What HTML takes for white space, and a byte order mark as UTF-8 has it. */
const BLANK = /[\t\n\f\r \u00ef\u00bb\u00bf]/

export const inPageScript = (): Promise<string> => readFile(join(import.meta.dirname, 'in-page', 'in-page.js'), 'utf8')

/** A page that is opened in a tab stays as it is. */
export const isForFrame = ({ method, headers }: IncomingMessage): boolean => method === 'GET' && headers['sec-fetch-dest'] === 'iframe'

/** The element that brings the script into a page, with whom it speaks to, and the folder that the names of files are relative to. */
export async function tagFor(consoles: readonly string[], workTree: string): Promise<string> {
  const root = await realpath(workTree).catch(() => workTree) // names of files come with links followed
  return `<script src="${SCRIPT}" data-consoles="${escaped(consoles.join(' '))}" data-root="${escaped(root)}"></script>`
}

/** In ASCII alone: a page may have any encoding. */
const escaped = (text: string): string => text.replaceAll(/[^\w ./:[\]-]/gu, (each) => `&#${each.codePointAt(0)};`)

/** Headers of a request whose answer can be changed: it comes whole, and not packed. */
export function changeable(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { 'if-none-match': _, 'if-modified-since': __, range: ___, 'if-range': ____, ...rest } = headers
  return { ...rest, 'accept-encoding': 'identity' }
}

export const isReadable = ({ headers, statusCode }: IncomingMessage): boolean =>
  /^text\/html\s*(;|$)/i.test(headers['content-type'] ?? '') && (headers['content-encoding'] ?? 'identity') === 'identity' && statusCode !== 206

/** Headers of an answer that has been changed: what they say of its bytes holds no more. */
export function changed(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { 'content-length': _, etag: __, 'last-modified': ___, ...rest } = headers
  return rest
}

/** Puts a tag at the beginning of a page's head as the page passes by. One that does not say that it is HTML passes as it is. */
export function inject(tag: string): Transform {
  let held: Buffer[] | undefined = []
  let looked = 0
  const head = findHead()
  head.next()
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (held === undefined) return done(null, chunk)
      held.push(chunk)
      for (const byte of chunk.subarray(0, LOOK_LENGTH - looked)) {
        const found = head.next(String.fromCharCode(byte))
        if (found.done !== true) continue
        const page = Buffer.concat(held)
        if (found.value > 0) held = [page.subarray(0, found.value), Buffer.from(tag), page.subarray(found.value)]
        looked = LOOK_LENGTH
        break
      }
      looked += chunk.length
      if (looked < LOOK_LENGTH) return done()
      const page = Buffer.concat(held)
      held = undefined
      done(null, page)
    },
    flush: (done) => done(null, held === undefined ? null : Buffer.concat(held)),
  })
}

/**
 * Takes a page letter by letter, and answers how many of them stand before what is in its head: up to the end of `<head …>`, or, where that
 * is not written, of the doctype or `<html …>`; 0 where there is none of these. Only white space and comments may stand between them
 * (HTML, 13.2.6.4).
 */
function* findHead(): Generator<undefined, number, string> {
  let [read, begins] = [0, 0]
  const next = function* (): Generator<undefined, string, string> {
    const letter = yield
    read += 1
    return letter
  }
  for (;;) {
    let letter = yield* next()
    while (BLANK.test(letter)) letter = yield* next()
    if (letter !== '<') return begins
    letter = yield* next()
    if (letter === '!' || letter === '?') {
      let [first, last] = ['', '']
      for (; letter !== '>' || (first.startsWith('!--') && last !== '--'); letter = yield* next()) {
        if (first.length < 8) first += letter
        last = `${last.slice(-1)}${letter}`
      }
      if (/^!doctype/i.test(first)) begins = read
      continue
    }
    let name = ''
    for (; /[a-z]/i.test(letter) && name.length < 5; letter = yield* next()) name += letter.toLowerCase()
    if ((name !== 'html' && name !== 'head') || !/[\t\n\f\r />]/.test(letter)) return begins
    // A value in quotes may hold what looks like the end.
    let [quote, before] = ['', '']
    for (; quote !== '' || letter !== '>'; letter = yield* next()) {
      if (quote === letter) quote = ''
      else if (quote === '' && before === '=' && (letter === '"' || letter === "'")) quote = letter
      if (!BLANK.test(letter)) before = letter
    }
    begins = read
    if (name === 'head') return begins
  }
}
