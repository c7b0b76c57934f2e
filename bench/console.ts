import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { build } from 'esbuild'
import { box, threadOf } from '../test/support/console.ts'
import { beginThread, END_IS_SHOWN, eventsOf, lengthen, LONG, openWhen, scrolled, startConsole, streamed } from './console-support.ts'
import { inTurns, p95, timed, type Samples, type Subject } from './support.ts'

const ROOT = join(import.meta.dirname, '..')
const MAY_BE_KB = 150
const OPENINGS = 20
const LONG_OPENINGS = 5
const MAY_TAKE_MS = 100
const SCROLLS = 5
/** A frame that comes later than this, of sixty a second, has missed one. */
const LATE_MS = 34
const PLAIN_ROW_PX = 40

/** What a browser fetches, zipped as the service hands it out. */
export const consoleBundle: Subject<'first' | 'goal' | 'editor'> = {
  figures: {
    first: { name: 'console: what its page fetches, gzip, against Preact with one element', unit: 'kB' },
    goal: { name: `console: the same page, against the ${MAY_BE_KB} kB that it may be`, unit: 'kB', goal: 1 },
    editor: {
      name: 'console: the editor with all its languages, of which a file that is opened fetches one, gzip, against CodeMirror without languages and keys',
      unit: 'kB',
    },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'branchline-bench-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const made = join(folder, 'console')
    await promisify(execFile)(process.execPath, [join(ROOT, 'scripts', 'make-console.ts'), made])
    const files = await Promise.all((await readdir(made)).map(async (name) => ({ name, content: await readFile(join(made, name)) })))
    const page = files.find(({ name }) => name === 'index.html')?.content.toString() ?? ''
    const isFirst = (name: string): boolean => name === 'index.html' || page.includes(name) // the page names all that it begins with
    const sizes = await Promise.all(files.map(async ({ name, content }) => ({ isLater: !isFirst(name), kb: await zippedKb(content) })))
    const sum = (isLater: boolean): number => sizes.filter((each) => each.isLater === isLater).reduce((all, { kb }) => all + kb, 0)
    return {
      first: { ours: [sum(false)], baseline: [await bundleKb(`import { h, render } from 'preact'; render(h('p', null, 'Hello'), document.body)`)] },
      goal: { ours: [sum(false)], baseline: [MAY_BE_KB] },
      editor: { ours: [sum(true)], baseline: [await bundleKb(`import { EditorView } from '@codemirror/view'; new EditorView({ parent: document.body })`)] },
    }
  },
}

const zippedKb = async (content: Uint8Array): Promise<number> => (await promisify(gzip)(content)).byteLength / 1000

/** With the options of `scripts/make-console.ts`. */
async function bundleKb(contents: string): Promise<number> {
  const stdin = { contents, resolveDir: ROOT }
  const { outputFiles } = await build({ stdin, bundle: true, minify: true, format: 'esm', target: 'es2022', legalComments: 'none', write: false })
  return zippedKb(outputFiles[0]?.contents ?? new Uint8Array())
}

/** From an address to a message box that can be typed into, in a browser that has nothing of it yet. */
export const consoleOpening: Subject = {
  figures: {
    p50: { name: 'console: first opening until a message can be typed, p50, against a bare page of the service', unit: 'ms' },
    p95: { name: 'console: the same opening, p95', unit: 'ms' },
  },
  async measure() {
    await using started = await startConsole()
    if (started === undefined) return {}
    const { service, context } = started
    const open = async (path: string, there: string): Promise<number> => {
      const fresh = await context.browser()?.newContext()
      if (fresh === undefined) throw new Error('the browser is gone')
      await using _ = fresh
      const { page, ms } = await openWhen(fresh, `${service.url}${path}`, there)
      if (path === '/') await box(page).fill('It can be typed into.', { timeout: 1000 })
      return ms
    }
    const { ours, bare } = await inTurns(OPENINGS, {
      ours: () => open('/', `document.querySelector('#message:enabled') !== null`),
      bare: () => open('/health', `document.querySelector('pre') !== null`),
    })
    return { p50: { ours, baseline: bare }, p95: high({ ours, baseline: bare }) }
  },
}

/** From an event's being written to its text in the page, while an answer is streamed. */
export const consoleEvents: Subject = {
  figures: {
    p50: { name: 'console: an event written until it is in the page, p50, against a program that reads the same stream', unit: 'ms' },
    p95: { name: 'console: the same event, p95', unit: 'ms' },
    goal: { name: `console: the same event, p95, against the ${MAY_TAKE_MS} ms that it may take`, unit: 'ms', goal: 1 },
    longP50: { name: `console: such an event in a thread of ${LONG} events, p50`, unit: 'ms' },
    longP95: { name: `console: such an event in a thread of ${LONG} events, p95`, unit: 'ms' },
    longGoal: { name: `console: such an event in a thread of ${LONG} events, p95, against those ${MAY_TAKE_MS} ms`, unit: 'ms', goal: 1 },
  },
  async measure() {
    await using started = await startConsole()
    if (started === undefined) return {}
    await beginThread(started, 'write short.txt: x')
    const short = await streamed(started)
    await beginThread(started, 'write long.txt: x')
    await lengthen(started)
    const long = await streamed(started)
    const goal = ({ ours }: Samples): Samples => ({ ours: [p95(ours)], baseline: [MAY_TAKE_MS] })
    return { p50: short, p95: high(short), goal: goal(short), longP50: long, longP95: high(long), longGoal: goal(long) }
  },
}

/** A long thread: opening it, and frames while it is scrolled up from its end, where no row's height is known yet. */
export const consoleScrolling: Subject = {
  figures: {
    opening: { name: `console: a thread of ${LONG} events until its end is shown, against a program that reads them`, unit: 'ms' },
    p95: { name: `console: frame while ${LONG} events are scrolled, p95, against a plain page as high`, unit: 'ms' },
    longest: { name: 'console: the longest such frame', unit: 'ms' },
    inTime: { name: `console: such frames that come within ${LATE_MS} ms (more is better)`, unit: '%', moreIsBetter: true },
  },
  async measure() {
    await using started = await startConsole()
    if (started === undefined) return {}
    const { service, context, page: first } = started
    await beginThread(started, 'write long.txt: x')
    await lengthen(started)
    const url = first.url()
    const height = await first.evaluate<number>(`document.querySelector('.scroller').scrollHeight`)
    await first.close()
    const opening = await inTurns(LONG_OPENINGS, {
      ours: async () => {
        const { page, ms } = await openWhen(context, url, END_IS_SHOWN)
        await page.close()
        return ms
      },
      read: () =>
        timed(async () => {
          for await (const { type } of eventsOf(service.url, threadOf(url))) if (type === 'run.ended') return
        }),
    })
    const rows = Array.from({ length: Math.round(height / PLAIN_ROW_PX) }, (_, n) => `<p>Page ${n} is done: its heading is larger now.</p>`)
    const plain = `<!doctype html><style>p { height: ${PLAIN_ROW_PX}px; margin: 0 }</style>${rows.join('')}`
    const frames = await inTurns(SCROLLS, {
      ours: async () => {
        const { page } = await openWhen(context, url, END_IS_SHOWN)
        const times = await scrolled(page, '.scroller')
        await page.close()
        return times
      },
      plain: async () => {
        const page = await context.newPage()
        await page.setContent(plain)
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
        const times = await scrolled(page, 'html')
        await page.close()
        return times
      },
    })
    const of = (what: (times: readonly number[]) => number): Samples => ({ ours: frames.ours.map(what), baseline: frames.plain.map(what) })
    return {
      opening: { ours: opening.ours, baseline: opening.read },
      p95: of(p95),
      longest: of((times) => Math.max(...times)),
      inTime: of((times) => (100 * times.filter((time) => time <= LATE_MS).length) / times.length),
    }
  },
}

const high = ({ ours, baseline }: Samples): Samples => ({ ours: [p95(ours)], baseline: [p95(baseline)] })
