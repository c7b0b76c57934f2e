import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { BrowserContext } from 'playwright-core'
import { findBrowser, openBrowser } from '../test/support/browser.ts'
import { showThread, startShowing } from './preview-site.ts'
import { inTurns, median, p95, timed, type Figure, type Samples, type Subject } from './support.ts'

const BLOCKS = 4
const WRITES = 5
/** A page that has been loaded anew may be once more. */
const SETTLE_MS = 250
const LATE_MS = 20_000
/** Marks are of one length, so that a file that is written over is whole at every moment. */
const FIRST_MARK = 1000
/** What the gateway may add at the median. */
const MAY_ADD_MS = 3

interface Kind {
  readonly what: string
  readonly file: string
  readonly page: string
  /** The same file with a mark in it that its page shows. */
  readonly marked: (text: string, mark: string) => string
}

const KINDS: readonly Kind[] = [
  { what: 'style', file: 'src/styles/site.css', page: '', marked: (text, mark) => `${text}:root { --mark: ${mark} }\n` },
  { what: 'island', file: 'src/components/Basket.tsx', page: '', marked: (text, mark) => text.replace('} aside', `} aside ${mark}`) },
  { what: 'page', file: 'src/pages/index.astro', page: '', marked: (text, mark) => text.replace('Fresh bread', `Fresh bread ${mark}`) },
  { what: 'collection entry', file: 'src/content/breads/brioche.md', page: 'breads', marked: (text, mark) => `${text}\n${mark}\n` },
]

const figuresOf = ({ what }: Kind): readonly (readonly [key: string, figure: Figure])[] => [
  [`${what} p50`, { name: `preview: ${what} written to seen in a browser, p50, against its dev server itself`, unit: 'ms' }],
  [`${what} p95`, { name: `preview: ${what} written to seen in a browser, p95, against its dev server itself`, unit: 'ms' }],
  [`${what} added`, { name: `preview: ${what}, added by the gateway at the median, against the ${MAY_ADD_MS} ms that it may add`, unit: 'ms', goal: 1 }],
]

/** From a file's being written to a page's showing it, in a browser: through the gateway, and by the same dev server without it. */
export const previewChange: Subject = {
  figures: Object.fromEntries(KINDS.flatMap(figuresOf)),
  async measure() {
    const browser = findBrowser()
    if (browser === undefined) {
      process.stderr.write('there is no Chromium, so no page is looked at\n')
      return {}
    }
    await using parts = new AsyncDisposableStack()
    const service = parts.use(await startShowing())
    const { workTree, url, direct } = await showThread(service, 'x')
    const context = parts.use(await openBrowser(browser))
    let written = FIRST_MARK
    const writes = async (kind: Kind, text: string, page: Watched): Promise<readonly number[]> => {
      const times: number[] = []
      // The first write after a page has been opened does not count.
      for (let n = 0; n <= WRITES; n += 1) {
        await delay(SETTLE_MS)
        await page.listening()
        const mark = `mark-${(written += 1)}`
        const seen = page.shows(mark)
        const time = await timed(async () => {
          await overwrite(join(workTree, kind.file), kind.marked(text, mark))
          await seen
        })
        if (n > 0) times.push(time)
      }
      return times
    }
    const samples: Record<string, Samples> = {}
    for (const kind of KINDS) {
      const text = await readFile(join(workTree, kind.file), 'utf8')
      const block = async (at: string): Promise<readonly number[]> => {
        await using page = await watch(context, `${at}${kind.page}`)
        return await writes(kind, text, page)
      }
      const blocks = await inTurns(BLOCKS, { ours: () => block(url), direct: () => block(direct) })
      await writeFile(join(workTree, kind.file), text)
      const [ours, baseline] = [blocks.ours.flat(), blocks.direct.flat()]
      samples[`${kind.what} p50`] = { ours, baseline }
      samples[`${kind.what} p95`] = { ours: [p95(ours)], baseline: [p95(baseline)] }
      samples[`${kind.what} added`] = { ours: [median(ours) - median(baseline)], baseline: [MAY_ADD_MS] }
    }
    return samples
  },
}

/** In one piece and without emptying it first: a dev server that looks in between would see no file at all. */
async function overwrite(path: string, text: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.write(text, 0)
}

/** Tells each mark that comes into the page, in whichever document it is by then. */
const TELL = `
  let told
  const tell = () => {
    const style = document.documentElement === null ? '' : getComputedStyle(document.documentElement).getPropertyValue('--mark')
    const mark = /mark-\\d+/.exec(style + document.querySelector('main')?.textContent)?.[0]
    if (mark === undefined || mark === told) return
    told = mark
    tellMark(mark)
  }
  new MutationObserver(tell).observe(document, { subtree: true, childList: true, characterData: true })
`

interface Watched extends AsyncDisposable {
  /** Resolves when the document that is there by then hears of changes. */
  listening(): Promise<void>
  /** Resolves as soon as the page shows a mark. */
  shows(mark: string): Promise<void>
}

async function watch(context: BrowserContext, url: string): Promise<Watched> {
  const page = await context.newPage()
  const awaited = new Map<string, () => void>()
  let connected = Promise.withResolvers<void>()
  page.on('framenavigated', () => (connected = Promise.withResolvers<void>()))
  page.on('console', (said) => {
    if (said.text() === '[vite] connected.') connected.resolve()
  })
  await page.exposeFunction('tellMark', (mark: string) => awaited.get(mark)?.())
  await page.addInitScript({ content: TELL })
  await page.goto(url)
  return {
    listening: () => inTime(connected.promise, `${url} does not listen`),
    shows: (mark) => inTime(new Promise((resolve) => awaited.set(mark, resolve)), `${url} does not show ${mark}`),
    [Symbol.asyncDispose]: () => page.close(),
  }
}

async function inTime(awaited: Promise<void>, why: string): Promise<void> {
  const stop = new AbortController()
  const late = delay(LATE_MS, undefined, { signal: stop.signal }).then(() => {
    throw new Error(why)
  })
  await Promise.race([awaited, late]).finally(() => stop.abort())
}
