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

/** Puts a tag behind `<head …>` as the page passes by. A page that has none in its first bytes passes as it is. */
export function inject(tag: string): Transform {
  let held: Buffer[] | undefined = []
  let looked = 0
  const head = findHead()
  head.next()
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (held === undefined) return done(null, chunk)
      held.push(chunk)
      for (const [at, byte] of chunk.subarray(0, LOOK_LENGTH - looked).entries()) {
        const found = head.next(String.fromCharCode(byte))
        if (found.done !== true) continue
        if (found.value) held.splice(-1, 1, chunk.subarray(0, at + 1), Buffer.from(tag), chunk.subarray(at + 1))
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
 * Takes a page letter by letter, and answers whether that was the end of `<head …>`. Only white space, comments, the doctype and
 * `<html …>` may stand before it (HTML, 13.2.6.4).
 */
function* findHead(): Generator<undefined, boolean, string> {
  for (;;) {
    let letter = yield
    while (BLANK.test(letter)) letter = yield
    if (letter !== '<') return false
    letter = yield
    if (letter === '!' || letter === '?') {
      let [first, last] = ['', '']
      for (; letter !== '>' || (first === '!--' && last !== '--'); letter = yield) {
        if (first.length < 3) first += letter
        last = `${last.slice(-1)}${letter}`
      }
      continue
    }
    let name = ''
    for (; /[a-z]/i.test(letter) && name.length < 5; letter = yield) name += letter.toLowerCase()
    if ((name !== 'html' && name !== 'head') || !/[\t\n\f\r />]/.test(letter)) return false
    // A value in quotes may hold what looks like the end.
    let [quote, before] = ['', '']
    for (; quote !== '' || letter !== '>'; letter = yield) {
      if (quote === letter) quote = ''
      else if (quote === '' && before === '=' && (letter === '"' || letter === "'")) quote = letter
      if (!BLANK.test(letter)) before = letter
    }
    if (name === 'head') return true
  }
}
