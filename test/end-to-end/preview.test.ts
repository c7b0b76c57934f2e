import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Page } from 'playwright-core'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { inFull } from '../support/by-day.ts'
import { clientOf, type Client } from '../support/client.ts'
import { ask, devServersBelow, previewUrl, showing, shown } from '../support/previews.ts'
import { startService, type Service } from '../support/service.ts'

const TURNS = inFull(30, 100)

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''
const HEADING = 'replace Fresh bread with'
const INDEX = 'in src/pages/index.astro'
/** Pictures of what was seen, for people. */
const PICTURES = join(import.meta.dirname, '..', '..', 'test-pictures')

let service: Service
let client: Client
beforeAll(async () => {
  service = await startService({ example: true, installed: true, env: { ...showing } })
  client = clientOf(service)
  await Promise.all([client.run('one', `${HEADING} One bread ${INDEX}`), client.run('two', `${HEADING} Two bread ${INDEX}`)])
})
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
})

const url = (thread: string): string => previewUrl(service, `thread-${thread}`)
const picture = async (page: Page, name: string): Promise<void> => {
  await mkdir(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `${name}.png`) })
}
describe.skipIf(browser === undefined)(`the preview of a thread, in a browser${why}`, () => {
  let context: Awaited<ReturnType<typeof openBrowser>>
  beforeAll(async () => {
    context = await openBrowser(browser ?? '')
  })
  afterAll(async () => {
    await context?.[Symbol.asyncDispose]()
  })

  it('begins with a page that says so and turns into the site by itself; an edit of the agent changes the page', async () => {
    const page = await context.newPage()
    await client.call('POST', client.thread('one', 'preview/stop'), {})
    await page.goto(url('one'))
    await page.getByText('The preview is starting').waitFor()
    await picture(page, 'starting')
    await page.getByRole('heading', { name: 'One bread' }).waitFor()
    await page.evaluate(() => Object.assign(globalThis, { same: true }))
    await picture(page, 'started')
    await client.run('one', 'write src/styles/site.css: h1 { color: rgb(1, 2, 3) }')
    await page.waitForFunction("getComputedStyle(document.querySelector('h1')).color === 'rgb(1, 2, 3)'")
    expect(await page.evaluate(() => 'same' in globalThis)).toBe(true) // the style was exchanged in the page that was there
    const { previewUrl: told } = await client.run('one', `replace One bread with Another bread ${INDEX}`)
    expect(told).toBe(url('one'))
    await page.getByRole('heading', { name: 'Another bread' }).waitFor()
    await client.run('one', `replace Another bread with One bread ${INDEX}`)
    await page.getByRole('heading', { name: 'One bread' }).waitFor()
    await page.close()
    const measured = await (await fetch(`${service.url}/metrics`)).text()
    const value = (name: string): number => Number(new RegExp(`^branchline_${name} (\\S+)$`, 'm').exec(measured)?.[1])
    expect(value('preview_start_seconds_count')).toBeGreaterThan(0)
    expect(value('preview_change_seconds_count')).toBeGreaterThan(0) // of the style; Astro does not say which file a page is loaded anew for
    expect(value('preview_change_seconds_sum') / value('preview_change_seconds_count')).toBeLessThan(60)
    expect(value('previews_healthy')).toBeGreaterThan(0)
  })

  it(`is one beside others: two threads, looked at in turn ${TURNS} times, never show the text of the other`, async () => {
    await shown(client, 'one')
    expect(await shown(client, 'two')).toMatchObject({ success: true, previewUrl: url('two') })
    // What is served is looked at, so that a page is there as soon as it has come.
    await using plain = await openBrowser(browser ?? '', { javaScriptEnabled: false })
    const page = await plain.newPage()
    for (let turn = 0; turn < TURNS; turn += 1) {
      const [mine, other] = turn % 2 === 0 ? ['one', 'two'] : ['two', 'one']
      await page.goto(url(mine), { waitUntil: 'domcontentloaded' })
      const heading = await page.locator('h1').innerText()
      expect(heading.toLowerCase()).toContain(`${mine} bread`)
      expect(heading.toLowerCase()).not.toContain(`${other} bread`)
    }
    await page.close()
  })

  it('without a thread in the host is the one that was active last', async () => {
    const page = await context.newPage()
    for (const thread of ['one', 'two'] as const) {
      await client.run(thread, `write src/active.txt: ${thread}`)
      await page.goto(previewUrl(service, 'x').replace('x.localhost', 'localhost'))
      expect((await page.locator('h1').innerText()).toLowerCase()).toContain(`${thread} bread`)
    }
    await page.close()
  })

  it('says in the result what the agent broke, with file and line; mended, it is a success, and the open page shows it', async () => {
    const page = await context.newPage()
    await page.goto(url('one'))
    const broken = await client.run('one', `replace <h1> with <h1 {{{> ${INDEX}`)
    expect(broken).toMatchObject({ success: true, pageErrors: [expect.stringMatching(/^src\/pages\/index\.astro:\d+:\d+: .*\(page \/\)$/)] })
    const failed = await shown(client, 'one')
    expect(failed).toMatchObject({ success: false, code: 'preview_failed', error: broken.pageErrors?.[0], pageErrors: broken.pageErrors })
    expect(await client.event('one', (event) => event.type === 'preview.changed' && event.state === 'broken')).toMatchObject({ errors: broken.pageErrors })
    await page.locator('vite-error-overlay').waitFor()
    await picture(page, 'broken')
    // One that is opened by then, too: what is wrong was said before it could hear it.
    const late = await context.newPage()
    for (let time = 0; time < 3; time += 1) {
      await late.goto(url('one'))
      await late.locator('vite-error-overlay').waitFor()
    }
    await late.close()
    const mended = await client.run('one', `replace <h1 {{{> with <h1> ${INDEX}`)
    expect(mended.pageErrors).toBeUndefined()
    expect(await shown(client, 'one')).toMatchObject({ success: true })
    await page.getByRole('heading', { name: 'One bread' }).waitFor()
    await page.close()
  })

  it('says what is wrong with content, which the page itself does not show', async () => {
    const broken = await client.run('one', 'replace price with prise in src/content/breads/brioche.md')
    expect(broken.pageErrors).toEqual([expect.stringMatching(/^src\/content\/breads\/brioche\.md: .*price: Required/)])
    expect((await client.run('one', 'replace prise with price in src/content/breads/brioche.md')).pageErrors).toBeUndefined()
  })

  it('whose server is killed comes back, and the open page with it', async () => {
    const page = await context.newPage()
    // A page whose socket was never open does not know that its server has gone.
    const connected = page
      .waitForEvent('websocket')
      .then((socket) => socket.waitForEvent('framereceived', (frame) => String(frame.payload).includes('connected')))
    await page.goto(url('two'))
    await page.getByRole('heading', { name: 'Two bread' }).waitFor()
    await connected
    const reloaded = page.waitForEvent('load')
    for (const { pid } of devServersBelow(service.workspace)) process.kill(pid, 'SIGKILL')
    await reloaded
    await page.getByRole('heading', { name: 'Two bread' }).waitFor()
    await client.run('two', `replace Two bread with Second bread ${INDEX}`)
    await page.getByRole('heading', { name: 'Second bread' }).waitFor()
    await client.run('two', `replace Second bread with Two bread ${INDEX}`)
    await page.close()
  })

  it('has a dependency that the agent installs, and another configuration; the other thread is unharmed', async () => {
    const page = await context.newPage()
    await shown(client, 'one')
    const before = devServersBelow(service.workspace)
    const installed = await client.run(
      'one',
      `run npm install --no-audit --no-fund slugify@1.6.6 then replace import Basket with import slugify from 'slugify'; import Basket ${INDEX}`,
    )
    expect(installed).toMatchObject({ success: true, filesChanged: expect.arrayContaining(['package-lock.json', 'package.json']) })
    await client.run('one', `replace <h1> with <h1 id={slugify('A slug here')}> ${INDEX}`)
    expect(await shown(client, 'one')).toMatchObject({ success: true })
    await page.goto(url('one'))
    expect(await page.locator('h1').getAttribute('id')).toBe('A-slug-here')
    await client.run('one', `replace devToolbar: with server: { headers: { 'x-site': 'of-one' } }, devToolbar: in astro.config.mjs`)
    await shown(client, 'one')
    expect((await ask(url('one'))).headers.get('x-site')).toBe('of-one')
    const other = await ask(url('two'))
    expect(other.headers.get('x-site')).toBeNull()
    expect((await other.text()).toLowerCase()).toContain('two bread')
    // The other thread's server is the one that it was.
    const now = devServersBelow(service.workspace)
    expect(before.filter(({ pid }) => now.some((each) => each.pid === pid))).toHaveLength(1)
    await page.close()
  })

  it('that does not start any more says why, on its page and in the result', async () => {
    const page = await context.newPage()
    expect(await shown(client, 'two')).toMatchObject({ success: true })
    const broken = await client.run('two', 'replace defineConfig({ with defineConfig({{ in astro.config.mjs')
    expect(broken.pageErrors?.[0]).toMatch(/The preview does not start.*astro\.config\.mjs/s)
    await page.goto(url('two'))
    await page.getByText('The preview does not start').waitFor()
    await picture(page, 'failed')
    await client.run('two', 'replace defineConfig({{ with defineConfig({ in astro.config.mjs')
    await page.getByRole('heading', { name: 'Two bread' }).waitFor()
    await page.close()
  })
})
