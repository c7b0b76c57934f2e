import { setTimeout as delay } from 'node:timers/promises'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { BrowserContext, Page } from 'playwright-core'
import type { RunEvent } from '../src/command/event.ts'
import { findBrowser, openBrowser } from '../test/support/browser.ts'
import { begin, say, threadOf, writeEvents } from '../test/support/console.ts'
import { SLOWLY, startModel } from '../test/support/model.ts'
import { startService, type Service } from '../test/support/service.ts'
import { SERVICE_ENV, type Samples } from './support.ts'

/** Events of a long thread. */
export const LONG = 5000
const EVENTS = 150
/** Readers may come to a stream after its beginning, so these do not count. */
const FIRST_EVENTS = 10
const WHEELS = 240
const [WHEEL_PX, WHEEL_MS] = [240, 16]
/** Smooth scrolling goes on for a while. */
const ROLL_OUT_MS = 500

/** A service with its console, and a browser. */
export interface Started extends AsyncDisposable {
  readonly service: Service
  readonly context: BrowserContext
  readonly page: Page
}

/** `undefined` where there is no browser. */
export async function startConsole(): Promise<Started | undefined> {
  const browser = findBrowser()
  if (browser === undefined) {
    process.stderr.write('there is no Chromium, so no page is looked at\n')
    return undefined
  }
  await using parts = new AsyncDisposableStack()
  const model = parts.use(await startModel())
  const service = parts.use(await startService({ env: { ...SERVICE_ENV, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-bench-key-91c4' } }))
  const context = parts.use(await openBrowser(browser))
  const page = await context.newPage()
  const owned = parts.move()
  return { service, context, page, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Begins a thread and sees its first message done. */
export async function beginThread({ page, service }: Started, instruction: string): Promise<void> {
  await begin(page, service, instruction)
  await page.getByRole('button', { name: 'Undo' }).waitFor()
}

/** Puts a long past before what the thread that is open has: tools, and words that fill one row or several. */
export async function lengthen({ page, service }: Started): Promise<void> {
  const past = Array.from({ length: LONG }, (_, n) =>
    n % 2 === 0
      ? { type: 'tool.started', tool: 'Read', toolUseId: `t${n}`, input: `{"file_path":"src/pages/${n}.ts"}` }
      : { type: 'agent.said', runId: 'past#1', text: `Page ${n} is **done**: ${'its heading is larger now. '.repeat(1 + (n % 7) * 2)}` },
  )
  await writeEvents(service, threadOf(page.url()), past)
  await page.reload()
  await page.locator('.entry.commit').waitFor()
}

/** The commit of the first message, which is the last thing that the thread shows. */
export const END_IS_SHOWN = `document.querySelector('.entry.commit') !== null`

/** Opens an address; answers the ms since then when the page has drawn what `there` asks for, and the page. */
export async function openWhen(context: BrowserContext, url: string, there: string): Promise<{ readonly page: Page; readonly ms: number }> {
  const page = await context.newPage()
  await page.addInitScript(`
    globalThis.drawn = new Promise((resolve) => {
      const look = () => {
        if (!(${there})) return
        observer.disconnect()
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
      }
      const observer = new MutationObserver(look)
      observer.observe(document, { subtree: true, childList: true, attributes: true })
    })`)
  await page.goto(url, { waitUntil: 'commit' })
  return { page, ms: await page.evaluate<number>('drawn') }
}

/** The events of a thread, as any program reads them. */
export async function* eventsOf(serviceUrl: string, threadId: string): AsyncGenerator<RunEvent> {
  const stop = new AbortController()
  try {
    const { body } = await fetch(`${serviceUrl}/api/threads/me/me/${encodeURIComponent(threadId)}/events`, { signal: stop.signal })
    const texts: ReadableStream<string> | undefined = body?.pipeThrough(new TextDecoderStream())
    if (texts === undefined) throw new Error('the stream of events has no body')
    for await (const { data } of texts.pipeThrough(new EventSourceParserStream())) yield JSON.parse(data)
  } finally {
    stop.abort()
  }
}

const now = (): number => performance.timeOrigin + performance.now()

/** Notes how much of an answer that consists of the same word is in the page, and when. */
const NOTE = `
  globalThis.noted = []
  new MutationObserver(() => {
    const text = [...document.querySelectorAll('.entry.said')].map((row) => row.textContent).findLast((text) => text.startsWith('word'))
    if (text !== undefined && text.length !== noted.at(-1)?.length)
      noted.push({ at: performance.timeOrigin + performance.now(), length: text.trimEnd().length })
  }).observe(document.body, { subtree: true, childList: true, characterData: true })`

/** Has an answer streamed in the thread that is open; the ms from each of its events to the page, and to a program that reads them too. */
export async function streamed({ page, service }: Started): Promise<Samples> {
  await page.evaluate(NOTE)
  const hear = async (): Promise<readonly { readonly written: number; readonly heard: number; readonly length: number }[]> => {
    const found = []
    let text = ''
    for await (const event of eventsOf(service.url, threadOf(page.url()))) {
      if (event.type !== 'agent.said' || !event.text.trimStart().startsWith('word')) continue
      text += event.text
      found.push({ written: event.at, heard: now(), length: text.trimEnd().length })
      if (found.length === FIRST_EVENTS + EVENTS) break
    }
    return found.slice(FIRST_EVENTS)
  }
  const [events] = await Promise.all([hear(), say(page, SLOWLY)])
  const last = events.at(-1)?.length ?? 0
  const noted = await page.evaluate<readonly { readonly at: number; readonly length: number }[]>(`
    new Promise((resolve) => {
      const look = () => (noted.at(-1)?.length >= ${last} ? resolve(noted) : setTimeout(look, 50))
      look()
    })`)
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await page.getByText('Stopped', { exact: false }).first().waitFor()
  const seen = (length: number): number => noted.find((each) => each.length >= length)?.at ?? NaN
  return { ours: events.map(({ written, length }) => seen(length) - written), baseline: events.map(({ written, heard }) => heard - written) }
}

/** Scrolls up by the wheel from the end of what is under the pointer; the ms from frame to frame. */
export async function scrolled(page: Page, scroller: string): Promise<readonly number[]> {
  // What is above grows as rows turn out to be higher than was thought, so this is counted from the end.
  const fromEnd = (): Promise<number> => page.evaluate(`(({ scrollHeight, scrollTop }) => scrollHeight - scrollTop)(document.querySelector('${scroller}'))`)
  const box = await page.locator(scroller).boundingBox()
  await page.mouse.move((box?.x ?? 0) + 100, 300)
  const before = await fromEnd()
  await page.evaluate(`
    globalThis.drawnAt = []
    requestAnimationFrame(function frame(at) {
      drawnAt.push(at)
      requestAnimationFrame(frame)
    })`)
  for (let n = 0; n < WHEELS; n += 1) await Promise.all([page.mouse.wheel(0, -WHEEL_PX), delay(WHEEL_MS)])
  const at = await page.evaluate<readonly number[]>('drawnAt')
  await delay(ROLL_OUT_MS)
  const moved = (await fromEnd()) - before
  if (moved < (WHEELS * WHEEL_PX) / 2) throw new Error(`${scroller} scrolled by ${moved} px of ${WHEELS * WHEEL_PX}`)
  return at.slice(1).map((each, n) => each - (at[n] ?? 0))
}
