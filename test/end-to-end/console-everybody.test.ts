import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { picture, say } from '../support/console.ts'
import { startService, type Service } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''

describe.skipIf(browser === undefined)(`the web console, for everybody${why}`, () => {
  let service: Service = undefined!
  beforeAll(async () => {
    service = await startService()
  })
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]()
  })

  it('is used by the keyboard alone', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    await page.goto(service.url)
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    const focused = () => page.evaluate('document.activeElement?.textContent?.slice(0, 40) ?? ""')
    const tabTo = async (name: string): Promise<void> => {
      for (let times = 0; times < 40; times += 1) {
        await page.keyboard.press('Tab')
        const [text, id] = [await focused(), await page.evaluate('document.activeElement?.id ?? ""')]
        if (text === name || id === name) return
      }
      throw new Error(`${name} is not reached by Tab`)
    }
    await tabTo('message')
    await page.keyboard.type('write keys.txt: by hand')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await tabTo('Undo')
    await page.keyboard.press('Enter')
    await page
      .getByText(/Back at/)
      .first()
      .waitFor()
    await tabTo('tab-preview')
    await page.keyboard.press('ArrowRight')
    await page.getByText('Nothing is changed yet.').waitFor()
    await tabTo('Settings and cost')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(await focused()).toBe('Settings and cost')
  })

  it('fits a phone', async () => {
    await using context = await openBrowser(browser ?? '', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
    const page = await context.newPage()
    await page.goto(service.url)
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    await picture(page, 'phone-first')
    await say(page, `write phone.txt: ${'wide'.repeat(100)}`)
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await picture(page, 'phone-chat')
    await page.getByRole('button', { name: 'Site' }).tap()
    await page.getByRole('tab', { name: /Changes/ }).tap()
    await page.getByText('phone.txt').first().waitFor()
    await picture(page, 'phone-changes')
    await page.getByRole('button', { name: 'Threads' }).tap()
    await page.getByRole('link', { name: 'New thread' }).waitFor()
    await picture(page, 'phone-threads')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
  })

  for (const colorScheme of ['light', 'dark'] as const)
    it(`can be used by everybody, in ${colorScheme} (axe)`, async () => {
      await using context = await openBrowser(browser ?? '', { colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      const axe = await readFile(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
      const violations = async (): Promise<readonly string[]> => {
        await page.evaluate(axe)
        return page.evaluate(async () => {
          const run = Reflect.get(globalThis, 'axe').run as () => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>
          return (await run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`)
        })
      }
      await page.goto(service.url)
      await page.getByRole('heading', { name: 'What should change?' }).waitFor()
      expect(await violations()).toEqual([])
      await say(page, 'write axe.txt: # Title')
      await page.getByRole('button', { name: 'Undo' }).waitFor()
      await picture(page, `thread-${colorScheme}`)
      expect(await violations()).toEqual([])
      for (const tab of [/Changes/, /History/]) {
        await page.getByRole('tab', { name: tab }).click()
        await page.getByText('axe.txt').last().waitFor()
        expect(await violations()).toEqual([])
      }
      await page.getByRole('button', { name: 'Settings and cost' }).click()
      await page.getByRole('heading', { name: 'Spent' }).waitFor()
      expect(await violations()).toEqual([])
    })
})
