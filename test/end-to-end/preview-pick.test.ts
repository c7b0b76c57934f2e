import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BrowserContext, Frame, Page } from 'playwright-core'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { clientOf, type Client } from '../support/client.ts'
import { ask, previewUrl, showing, shown } from '../support/previews.ts'
import { startService, type Service } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''
const INDEX = 'src/pages/index.astro'
const SANDBOX = 'allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-downloads'

let service: Service
let client: Client
let url: string
beforeAll(async () => {
  service = await startService({ example: true, installed: true, env: { ...showing } })
  client = clientOf(service)
  url = previewUrl(service, 'thread-one')
  await shown(client, 'one')
})
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
})

interface Heard {
  readonly own: boolean
  readonly origin: string
  readonly data: { readonly branchline?: string; readonly [more: string]: unknown }
}

/** Shows the preview in a frame of the page that is there, which keeps what it hears from it. */
async function showIn(page: Page): Promise<Frame> {
  await page.evaluate(`
    heard = []
    addEventListener('message', ({ source, origin, data }) => heard.push({ own: source === frames[0], origin, data }))
    document.body.innerHTML = '<iframe src="${url}" sandbox="${SANDBOX}" width="900" height="700"></iframe>'`)
  await page.frameLocator('iframe').getByRole('heading').first().waitFor()
  return page.frames().find((each) => each.parentFrame() !== null) ?? page.mainFrame()
}

describe.skipIf(browser === undefined)(`an element that is picked in the preview${why}`, () => {
  let context: BrowserContext & AsyncDisposable
  let page: Page
  let frame: Frame
  beforeAll(async () => {
    context = await openBrowser(browser ?? '')
    page = await context.newPage()
    await page.goto(`${service.url}/health`) // of the console's own origin
    frame = await showIn(page)
  })
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]()
  })

  const say = (message: unknown): Promise<unknown> => page.evaluate(`frames[0].postMessage(${JSON.stringify(message)}, '${new URL(url).origin}')`)
  const heard = (of: Page = page): Promise<readonly Heard[]> => of.evaluate('heard')
  const next = async (kind: string, before: number): Promise<Heard['data']> => {
    await page.waitForFunction(`heard.slice(${before}).some(({ data }) => data.branchline === '${kind}')`)
    return (await heard()).slice(before).find(({ data }) => data.branchline === kind)?.data ?? {}
  }
  const startPicking = async (): Promise<void> => {
    await say({ branchline: 'pick', on: true })
    await frame.locator('[popover]').waitFor({ state: 'attached' })
  }
  const pickAt = async (x: number, y: number): Promise<void> => {
    await page.mouse.move(x, y)
    await page.mouse.click(x, y)
  }
  const middleOf = async (selector: string): Promise<readonly [x: number, y: number]> => {
    const box = await frame.locator(selector).first().boundingBox()
    return [(box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 2]
  }

  it('is told with the file and line that it comes from, and the site hears nothing of it', async () => {
    await next('at', 0)
    const from = { own: true, origin: new URL(url).origin }
    expect(await heard()).toEqual([
      { ...from, data: { branchline: 'begins' } },
      { ...from, data: { branchline: 'at', url, follows: true } },
    ])
    const before = (await heard()).length
    await say({ branchline: 'hello' })
    expect(await next('at', before)).toEqual({ branchline: 'at', url, follows: true })
    await frame.evaluate(`clicks = 0; for (const type of ['pointerdown', 'mousedown', 'click']) addEventListener(type, () => (clicks += 1), true)`)
    await startPicking()
    await pickAt(...(await middleOf('h1')))
    const picked = await next('picked', before)
    expect(picked).toEqual({
      branchline: 'picked',
      tag: 'h1',
      text: 'Fresh bread, slowly made',
      selector: expect.stringMatching(/h1$/),
      file: INDEX,
      line: 7,
      column: 7, // behind the tag, as Astro has it
    })
    expect(await frame.locator(String(picked['selector'])).count()).toBe(1)
    expect(await frame.evaluate('clicks')).toBe(0)
    expect(await frame.locator('[popover]').count()).toBe(0)
    await pickAt(...(await middleOf('h1')))
    expect(await frame.evaluate('clicks')).toBe(3) // one pick, then the site has its clicks again
  })

  it('is one of a component of an island, by pointer and by key, and does not do what it is for', async () => {
    const button = frame.getByRole('button').first()
    const text = await button.innerText()
    const before = (await heard()).length
    await startPicking()
    await pickAt(...(await middleOf('button')))
    expect(await next('picked', before)).toMatchObject({ tag: 'button', file: 'src/components/Basket.tsx' })
    const after = (await heard()).length
    await startPicking()
    await button.focus()
    await page.keyboard.press('Enter')
    expect(await next('picked', after)).toMatchObject({ tag: 'button', file: 'src/components/Basket.tsx' })
    expect(await button.innerText()).toBe(text)
  })

  it('is none where Escape is pressed, or the console says so', async () => {
    const before = (await heard()).length
    await startPicking()
    await page.keyboard.press('Escape')
    expect(await next('pick-ended', before)).toEqual({ branchline: 'pick-ended' })
    await startPicking()
    await say({ branchline: 'pick', on: false })
    await frame.locator('[popover]').waitFor({ state: 'detached' })
    expect((await heard()).length).toBe(before + 1)
  })

  it('has beside it where the page is, and what fails in it, told no more than so often', async () => {
    const before = (await heard()).length
    await frame.evaluate(`history.pushState(null, '', '/?sort=price')`)
    expect(await next('at', before)).toEqual({ branchline: 'at', url: `${url}?sort=price`, follows: true })
    await frame.evaluate(`void Promise.reject(new TypeError('x'.repeat(1000)))`)
    expect(await next('error', before)).toEqual({ branchline: 'error', text: `TypeError: ${'x'.repeat(489)}` })
    await frame.evaluate(`for (let n = 0; n < 50; n += 1) dispatchEvent(new ErrorEvent('error', { message: 'number ' + n })); location.hash = 'end'`)
    await page.waitForFunction(`heard.at(-1).data.url?.endsWith('#end')`)
    expect((await heard()).slice(before).filter(({ data }) => data.branchline === 'error')).toHaveLength(20)
  })

  it('comes from the same file after an edit has changed the page in its frame', async () => {
    await client.run('one', `replace Fresh bread with Warm bread in ${INDEX}`)
    await frame.getByRole('heading', { name: 'Warm bread' }).waitFor()
    const before = (await heard()).length
    await startPicking()
    await pickAt(...(await middleOf('h1')))
    expect(await next('picked', before)).toMatchObject({ text: 'Warm bread, slowly made', file: INDEX, line: 7 })
    await client.run('one', 'write src/styles/site.css: h1 { color: rgb(1, 2, 3) }')
    await frame.waitForFunction("getComputedStyle(document.querySelector('h1')).color === 'rgb(1, 2, 3)'")
  })

  it('is told to no other page that shows the preview in a frame, whatever that one says', async () => {
    const server = createServer((_, answer) => void answer.setHeader('content-type', 'text/html').end('<body>')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const other = await context.newPage()
    await other.goto(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`)
    const inside = await showIn(other)
    await inside.waitForLoadState('load')
    await inside.evaluate(`addEventListener('message', ({ data }) => data === 'last' && parent.postMessage({ branchline: 'last' }, '*'))`)
    await other.evaluate(`for (const message of [{ branchline: 'hello' }, { branchline: 'pick', on: true }, 'last']) frames[0].postMessage(message, '*')`)
    await other.waitForFunction('heard.length > 0')
    expect((await heard(other)).map(({ data }) => data)).toEqual([{ branchline: 'last' }])
    expect(await inside.locator('[popover]').count()).toBe(0)
    await other.close()
    server.closeAllConnections()
    server.close()
  })

  it('is nothing that a page in a tab knows of, and nobody sees the toolbar that its file and line come from', async () => {
    const tab = await context.newPage()
    await tab.goto(url, { waitUntil: 'networkidle' })
    expect(await tab.locator('script[src^="/__branchline/"]').count()).toBe(0)
    for (const each of [tab.mainFrame(), frame]) expect(await each.locator('astro-dev-toolbar').count()).toBe(0)
    const toolbar = await (await ask(`${url}@id/astro/runtime/client/dev-toolbar/entrypoint.js`)).text()
    expect(toolbar.replaceAll(/\/\/.*|\s/g, '')).toBe('export{}')
    await tab.close()
  })
})
