import { measureChange } from './change-time.ts'
import { setTimeout as delay } from 'node:timers/promises'
import { printable } from '../observe/text.ts'
import type { OutputLine } from './output.ts'

/** What is wrong with a page, or with content that pages show. */
export interface PageError {
  /** Path of the page, where one shows it. */
  readonly page?: string | undefined
  /** Relative to the work tree. */
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
  readonly message: string
}

/** A page error in one line: `src/pages/index.astro:7:8: Unexpected token (page /)`. */
export function inOneLine({ page, file, line, column, message }: PageError): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':')
  return `${place === '' ? '' : `${place}: `}${message}${page === undefined ? '' : ` (page ${page})`}`
}

interface Watched {
  readonly port: number
  readonly workTree: string
}

/** How long the message of a page that could not be made may come behind its answer. */
const MESSAGE_MS = 1500
const PAGE_MS = 20_000
/** After a change, until what reads it has heard of it. */
const SETTLE_MS = 150
const PAGE = /^\/[!-~]{0,200}$/
const MAX_VISITED = 5
const MAX_ERRORS = 20
const MESSAGE_LENGTH = 500
/** Of a message that is looked at. */
const READ_LENGTH = 4000
const SOCKET_LENGTH = 256 * 1024
/** How long pages are asked for that no run waits for. */
const BACKGROUND_MS = 8000
const NAME_LENGTH = 200
const QUIET_MS = 1000
const LONGEST_QUIET_MS = 30_000

/**
 * Errors on the pages of one running dev server, found without a browser: nothing is checked there before a page is asked for, so pages
 * are asked for; what is wrong with one comes behind its answer on the socket of hot module replacement; and what is wrong with content
 * is in the log alone, where the page goes on showing what it showed.
 */
export class PageErrors implements Disposable {
  readonly #watched: Watched
  readonly #changed: () => void
  readonly #socket: WebSocket | undefined
  /** By page. */
  readonly #broken = new Map<string, PageError>()
  /** By file. */
  readonly #content = new Map<string, PageError>()
  readonly #visited: string[] = []
  #said: { readonly at: number; readonly error: PageError; readonly message: string } | undefined
  #looking: Promise<unknown> = Promise.resolve()
  #background = new AbortController()
  #soon: NodeJS.Timeout | undefined
  #lookedAt = 0
  #quietMs = QUIET_MS
  #over = false

  /** @param changed is called whenever other errors stand than before */
  constructor(watched: Watched, changed: () => void) {
    this.#watched = watched
    this.#changed = changed
    try {
      // Without an Origin, Vite asks for no token.
      this.#socket = new WebSocket(`ws://127.0.0.1:${watched.port}/`, 'vite-hmr')
      this.#socket.addEventListener('message', ({ data }) => this.#hearSocket(String(data)))
      this.#socket.addEventListener('error', () => {}) // a server of another kind: its pages alone tell
    } catch {
      this.#socket = undefined
    }
  }

  get errors(): readonly PageError[] {
    return [...this.#broken.values(), ...this.#content.values()].slice(0, MAX_ERRORS)
  }

  /** What the server has said of an error since then, as it said it. */
  saidSince(at: number): string | undefined {
    return this.#said !== undefined && this.#said.at >= at ? this.#said.message : undefined
  }

  /** Pages that somebody has looked at lately. */
  get visited(): readonly string[] {
    return this.#visited
  }

  /** Somebody looks at a page. What is called like none of a site is not asked for again. */
  visit(url: string): void {
    const [page = ''] = url.split('?')
    if (!PAGE.test(page)) return
    const at = this.#visited.indexOf(page)
    if (at >= 0) this.#visited.splice(at, 1)
    this.#visited.unshift(page)
    this.#visited.length = Math.min(this.#visited.length, MAX_VISITED)
  }

  /** A line of the server's output. */
  hear({ message, level, label }: OutputLine): void {
    const failed = /^Failed to (?:re)?load (\S+): ([\s\S]+)/.exec(message)
    const before = this.#content.size
    if (level === 'error' && failed !== null) {
      const [, file = '', why = ''] = failed
      if (file.length > NAME_LENGTH || (this.#content.size >= MAX_ERRORS && !this.#content.has(file))) return
      this.#content.set(file, { file, message: plain(why) })
      this.#changed()
      return
    }
    if (level === 'error' && label === 'config') this.#content.set('config', { message: plain(message) })
    const mended = /^Reloaded data from (\S+)/.exec(message)?.[1]
    if (mended !== undefined) this.#content.delete(mended)
    if (this.#content.size !== before) this.#changed()
  }

  /** Asks for pages and answers what is wrong by then, with them and with content; at once when it is stopped, whatever the server does. */
  async look(pages: readonly string[], stop?: AbortSignal): Promise<readonly PageError[]> {
    if (stop !== undefined) this.#background.abort()
    const mine = this.#looking.then(() => this.#look(pages, stop)).catch(() => {}) // nobody depends on a look
    this.#looking = mine
    const { promise: stopped, resolve } = Promise.withResolvers<void>()
    stop?.addEventListener('abort', () => resolve(), { once: true })
    if (stop?.aborted !== true) await Promise.race([mine, stopped])
    return this.errors
  }

  /** The same where nobody waits for it; a run that wants to look comes first. */
  lookBeside(pages: readonly string[]): void {
    this.#background = new AbortController()
    const stop = AbortSignal.any([this.#background.signal, AbortSignal.timeout(BACKGROUND_MS)])
    this.#looking = this.#looking.then(() => this.#look(pages, stop)).catch(() => {}) // as above
  }

  async #look(pages: readonly string[], stop: AbortSignal | undefined): Promise<void> {
    const before = JSON.stringify(this.errors)
    for (const page of pages) {
      if (this.#over || stop?.aborted === true) return
      const error = await this.#ask(page, stop)
      if (error === 'unknown') continue
      if (error === undefined) this.#broken.delete(page)
      else if (this.#broken.size < MAX_ERRORS || this.#broken.has(page)) this.#broken.set(page, error)
    }
    this.#lookedAt = performance.now()
    const same = before === JSON.stringify(this.errors)
    this.#quietMs = same ? Math.min(LONGEST_QUIET_MS, this.#quietMs * 2) : QUIET_MS
    if (!same) this.#changed()
  }

  async #ask(page: string, stop: AbortSignal | undefined): Promise<PageError | undefined | 'unknown'> {
    const asked = performance.now()
    const timeout = AbortSignal.timeout(PAGE_MS)
    const answer = await fetch(`http://127.0.0.1:${this.#watched.port}${page}`, {
      headers: { accept: 'text/html' },
      redirect: 'manual',
      signal: stop === undefined ? timeout : AbortSignal.any([timeout, stop]),
    }).catch(() => undefined)
    if (answer === undefined) return timeout.aborted ? { page, message: `The page does not answer within ${PAGE_MS / 1000} seconds.` } : 'unknown'
    await answer.body?.cancel()
    if (answer.status < 500) return undefined
    for (const end = performance.now() + MESSAGE_MS; performance.now() < end; await delay(20)) if ((this.#said?.at ?? 0) >= asked) break
    const said = this.#said
    return said !== undefined && said.at >= asked ? { ...said.error, page } : { page, message: `The page answers with ${answer.status}.` }
  }

  #hearSocket(data: string): void {
    if (data.length > SOCKET_LENGTH) return
    const message = parsed(data)
    if (message.type === 'error') {
      const error = errorOf(message.err, this.#watched.workTree)
      if (error === undefined) return
      this.#said = { at: performance.now(), error, message: data }
      // Said of a page that somebody looks at; our own looks hear it too.
      if (![...this.#broken.values()].some((known) => known.message === error.message && known.line === error.line)) this.#lookSoon([...this.#visited])
    } else if (message.type === 'full-reload' || message.type === 'update') {
      void measureChange(message, this.#watched.workTree)
      if (this.#broken.size > 0) this.#lookSoon([...this.#broken.keys()])
    }
  }

  #lookSoon(pages: readonly string[]): void {
    if (pages.length === 0 || this.#over) return
    clearTimeout(this.#soon)
    const rest = this.#lookedAt + this.#quietMs - performance.now()
    this.#soon = setTimeout(() => this.lookBeside(pages), Math.max(SETTLE_MS, rest)).unref()
  }

  [Symbol.dispose](): void {
    this.#over = true
    this.#background.abort()
    clearTimeout(this.#soon)
    this.#socket?.close()
  }
}

interface ViteMessage {
  readonly type?: unknown
  readonly err?: unknown
  readonly updates?: unknown
  readonly triggeredBy?: unknown
}

function parsed(data: string): ViteMessage {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {} // another program's message
  }
}

/** Vite's `err`: `loc` is where in the user's file, in Astro 5 `location`; the message may hold tags and drawings. */
function errorOf(err: unknown, workTree: string): PageError | undefined {
  if (typeof err !== 'object' || err === null) return undefined
  const { message, loc, location, id } = { message: undefined, loc: undefined, location: undefined, id: undefined, ...err }
  const at: unknown = loc ?? location
  const { file, line, column } = { file: undefined, line: undefined, column: undefined, ...(typeof at === 'object' ? at : {}) }
  const path = typeof file === 'string' ? file : id
  return {
    file: typeof path === 'string' ? relative(path, workTree) : undefined,
    line: typeof line === 'number' ? line : undefined,
    column: typeof column === 'number' ? column : undefined,
    message: typeof message === 'string' ? plain(message) : 'unknown',
  }
}

function relative(path: string, workTree: string): string {
  const [file = ''] = path.replace(/^file:\/\//, '').split('?')
  return printable(file.startsWith(`${workTree}/`) ? file.slice(workTree.length + 1) : file, 300)
}

function plain(text: string): string {
  const first = text
    .slice(0, READ_LENGTH)
    .replace(/\(The stacktrace appears to be already rewritten[^)]*\)/, '')
    .replaceAll(/<\/?[a-z][^>]{0,100}>|\*\*|[\u2500-\u257f]/g, '')
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
  return printable(first.slice(0, 4).join(' '), MESSAGE_LENGTH)
}
