import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { inFull } from '../support/by-day.ts'
import { begin, box, complaintsOf, filesOf, picture, say, threadOf, writeEvents } from '../support/console.ts'
import { layLine } from '../support/line.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''

describe.skipIf(browser === undefined)(`a thread in the web console${why}`, () => {
  let [model, service]: [Model, Service] = [undefined!, undefined!]
  beforeAll(async () => {
    model = await startModel()
    service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', CONCURRENCY: '4' } })
  })
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]()
    await model?.[Symbol.asyncDispose]()
  })

  it('shows what waits, and lets it be changed, deleted and sent now', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const held = model.hold('held back')
    await begin(page, service, 'write one.txt: held back')
    await held.reached
    await page.getByText('Enter stops what runs, saves it, and does this').waitFor()
    await page.getByLabel('What Enter does').selectOption('Queue')
    await page.getByText('Enter puts this behind what runs').waitFor()
    const queue = page.getByRole('region', { name: 'Waiting messages' })
    await say(page, 'write two.txt: second')
    await queue.getByText('write two.txt: second').waitFor()
    await queue.getByRole('button', { name: 'Edit' }).click()
    await expect.poll(() => box(page).inputValue()).toBe('write two.txt: second')
    await queue.waitFor({ state: 'detached' })
    await say(page, 'write two.txt: changed')
    await queue.getByText('write two.txt: changed').waitFor()
    await picture(page, 'queue')
    await queue.getByRole('button', { name: 'Delete' }).click()
    await queue.waitFor({ state: 'detached' })
    await say(page, 'write three.txt: third')
    await queue.getByRole('button', { name: 'Send now' }).click()
    await page.getByText('Stopped', { exact: false }).first().waitFor()
    await page.getByText('Wrote three.txt').first().waitFor()
    held.release()
    await expect.poll(() => filesOf(service, threadOf(page.url()))).toContain('three.txt')
    expect(await filesOf(service, threadOf(page.url()))).not.toContain('two.txt')
  })

  it('keeps what is written and not sent, for each thread, when the tab is closed', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const url = await begin(page, service, 'write draft.txt: x')
    await box(page).fill('half a thought')
    await page.goto(`${service.url}/#/`)
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    expect(await box(page).inputValue()).toBe('')
    await page.close()
    const again = await context.newPage()
    await again.goto(url)
    await expect.poll(() => box(again).inputValue()).toBe('half a thought')
  })

  it('takes pictures that are pasted or chosen, and says what is too large', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    await page.goto(service.url)
    const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
    await page.setInputFiles('input[type=file]', { name: 'mock.png', mimeType: 'image/png', buffer: png })
    await page.getByRole('img', { name: 'mock.png' }).waitFor()
    await page.setInputFiles('input[type=file]', { name: 'large.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(5_000_001) })
    await page.getByRole('alert').getByText('large.bin is larger than 5 MB').waitFor()
    await say(page, 'write seen.txt: yes')
    await page.getByText('With mock.png').waitFor()
  })

  it('asks and is answered in place, and carries a plan out', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    await begin(page, service, 'ask Which colour? green or blue')
    await page.getByText('Answer in the box below.').or(page.getByText('Or write another answer below.')).waitFor()
    await picture(page, 'question')
    model.instead('plan the shop', 'write plan.txt: a shop')
    await page.getByRole('checkbox', { name: 'Plan first' }).check()
    await say(page, 'plan the shop')
    const doIt = page.getByRole('button', { name: 'Do it' })
    await doIt.waitFor()
    await picture(page, 'plan')
    model.instead('Do what you have just planned', 'write shop.txt: open')
    await doIt.click()
    await page.getByText('Wrote shop.txt').first().waitFor()
  })

  it('shows two people the same, and loses nothing that they write at the same instant', async () => {
    await using one = await openBrowser(browser ?? '')
    await using other = await openBrowser(browser ?? '')
    const [first, second] = [await one.newPage(), await other.newPage()]
    const url = await begin(first, service, 'write together.txt: 0')
    await second.goto(url)
    await second.getByText('write together.txt: 0').waitFor()
    await box(first).fill('write a.txt: of the first')
    await box(second).fill('write b.txt: of the second')
    await Promise.all([box(first).press('Enter'), box(second).press('Enter')])
    for (const page of [first, second]) for (const text of ['of the first', 'of the second']) await page.getByText(text).first().waitFor()
    const thread = threadOf(url)
    await expect.poll(() => filesOf(service, thread)).toEqual(expect.arrayContaining(['a.txt', 'b.txt']))
    const rows = (page: Page) => page.locator('.entries > li').allInnerTexts()
    await expect.poll(async () => (await rows(first)).join('\n') === (await rows(second)).join('\n')).toBe(true)
  })

  it('is cut off for a while, says so, and goes on without a gap', async () => {
    await using line = await layLine(service.url)
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const held = model.hold('while nobody looks')
    await page.goto(line.url)
    await say(page, 'write away.txt: while nobody looks')
    await held.reached
    line.cut()
    await page.getByText('The connection is lost').waitFor()
    await picture(page, 'cut-off')
    held.release()
    await new Promise((resolve) => setTimeout(resolve, inFull(8000, 60_000)))
    await box(page).fill('written meanwhile')
    line.mend()
    await page.getByText('The connection is lost').waitFor({ state: 'detached' })
    await page.getByText('Wrote away.txt').first().waitFor()
    expect(await page.locator('.entry.message').count()).toBe(1)
    expect(await box(page).inputValue()).toBe('written meanwhile')
  })

  it('shows what an agent says as text, whatever it holds', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const complaints = complaintsOf(page)
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script> [link](javascript:document.title=3)'
    await begin(page, service, `write note.txt: ${hostile}`)
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await page.getByText('<script>document.title=2</script>').first().waitFor()
    expect(await page.title()).not.toMatch(/^[123]$/)
    expect(await page.locator('.entries img, .entries script, .entries a[href^="javascript"]').count()).toBe(0)
    await writeEvents(service, threadOf(page.url()), [
      { type: 'agent.said', runId: 'x#1', text: `${'long '.repeat(400_000)}` },
      { type: 'agent.said', runId: 'y#1', text: `\u001B[31mred\u001B[0m \u202Eegamad ${'>'.repeat(5000)}` },
      { type: 'agent.said', runId: 'z#1', text: `${'a_'.repeat(20_000)}` },
    ])
    await page.reload()
    await page
      .getByRole('button', { name: /Show all/ })
      .first()
      .waitFor()
    await page.getByText('red ⟨U+202E⟩egamad').first().waitFor()
    expect(complaints).toEqual([])
  })

  it('shows a thread of 5,000 events, by holding those that are to be seen', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    await begin(page, service, 'write many.txt: x')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await writeEvents(
      service,
      threadOf(page.url()),
      Array.from({ length: 5000 }, (_, n) =>
        n % 2 === 0
          ? { type: 'tool.started', tool: 'Read', toolUseId: `t${n}`, input: `{"file_path":"src/${n}.ts"}` }
          : { type: 'agent.said', runId: 'many#1', text: `Read number ${n}.` },
      ),
    )
    await page.reload()
    const last = page.locator('.entry[aria-setsize]').last()
    await expect.poll(async () => Number(await last.getAttribute('aria-setsize'))).toBeGreaterThan(5000)
    expect(await page.locator('.entry').count()).toBeLessThan(120)
    await page.getByRole('region', { name: 'Messages' }).press('Home')
    await page.getByText('Read number 1.', { exact: true }).waitFor()
    await page.getByRole('button', { name: '↓ Latest' }).click()
    await page.getByText('Wrote many.txt').first().waitFor()
  })

  it('corrects a file by hand, as a commit, and never over what somebody else has written', async () => {
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const complaints = complaintsOf(page)
    await begin(page, service, 'write hand.txt: first')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await page.getByRole('tab', { name: 'Files' }).click()
    await page.getByPlaceholder('Find a file').fill('hand')
    await page.getByRole('button', { name: 'hand.txt' }).click()
    const text = page.getByRole('textbox', { name: 'Text of hand.txt' })
    await text.press('Control+End')
    await text.pressSequentially(' and second')
    await text.press('Control+s')
    await page.getByText('Saved.', { exact: true }).waitFor()
    await picture(page, 'editor')
    await page.getByText('Edit hand.txt by hand').first().waitFor()
    const thread = encodeURIComponent(threadOf(page.url()))
    const content = async (): Promise<string> => (await fetch(`${service.url}/api/threads/me/me/${thread}/files?path=hand.txt`)).text()
    expect(await content()).toMatch(/^first and second/)
    await say(page, 'write hand.txt: of the agent')
    await expect.poll(content).toMatch(/^of the agent/)
    await text.pressSequentially(' and third')
    await text.press('Control+s')
    await page.getByText('hand.txt was changed meanwhile').first().waitFor()
    expect(await content()).toMatch(/^of the agent/)
    expect(await text.innerText()).toContain('and third') // what was typed is still there
    expect(complaints).toEqual([])
  })
})
