import { setTimeout as delay } from 'node:timers/promises'
import { listChanges } from '../git/changes.ts'
import { PreviewFailed } from '../preview/dev-server.ts'
import { inOneLine, type PageError } from '../preview/page-errors.ts'
import { messageOf } from '../observe/text.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** A page is made in a second or so; a run does not wait for ever for one that is not. */
export const CHECK_MS = 12_000
const MAX_PAGES = 6
/** Astro reads content again this long after it was written, and says only then what is wrong with it. */
const CONTENT_MS = 700
const CONTENT = /^src\/content\/|\.(mdx?|mdoc|json|ya?ml|toml)$/

export interface Checked {
  /** Pages that were looked at. */
  readonly pages: readonly string[]
  readonly errors: readonly string[]
}

export const UNSEEN: Checked = { pages: [], errors: [] }

/**
 * What is broken on the pages that a run has touched, while its preview runs: the first page, those that somebody looks at, and those
 * whose files differ from the last commit. Nothing where it has changed nothing, or no preview is ready.
 */
export async function checkPages({ home, ref }: Thread, tools: Tools, stop: AbortSignal): Promise<Checked> {
  const { slot } = home.slot
  const timeout = AbortSignal.any([stop, AbortSignal.timeout(CHECK_MS)])
  try {
    const { gone, present } = await listChanges({ ...home.checkout, stop: timeout })
    const changed = [...gone, ...present].map((name) => name.toString('utf8'))
    if (changed.length === 0 || !(await tools.previews.settled(slot, timeout))) return UNSEEN
    if (changed.some((name) => CONTENT.test(name))) await delay(CONTENT_MS, undefined, { signal: timeout })
    const pages = touchedPages(changed, tools.previews.visited(slot))
    const errors = await tools.previews.check(slot, pages, timeout)
    return { pages, errors: (errors ?? []).map((error) => tools.redact(inOneLine(inFull(error, changed)))) }
  } catch (error) {
    if (error instanceof PreviewFailed) return { pages: [], errors: [tools.redact(error.message)] }
    if (!timeout.aborted) tools.log.warn({ event: 'pages.not_checked', threadId: ref.threadId, error: messageOf(error) })
    return UNSEEN
  }
}

/** A file of content is named without its folder; which it is, is known of those that have changed. */
function inFull(error: PageError, changed: readonly string[]): PageError {
  const { file } = error
  const found = file === undefined || file.includes('/') ? undefined : changed.filter((name) => name.endsWith(`/${file}`))
  return found?.length === 1 ? { ...error, file: found[0] } : error
}

/** Pages to ask for, the ones most likely to be looked at first. */
export function touchedPages(changed: readonly string[], visited: readonly string[]): readonly string[] {
  const own = changed.flatMap((name) => {
    const [, path] = /^src\/pages\/(.+)\.(?:astro|mdx?|html)$/.exec(name) ?? []
    // Pages made for many addresses, and those that are not served, have no address of their own.
    if (path === undefined || /[[\]]|(^|\/)_/.test(path)) return []
    return [encodeURI(`/${path}`.replace(/\/index$/, '') || '/')]
  })
  return [...new Set(['/', ...own, ...visited])].slice(0, MAX_PAGES)
}
