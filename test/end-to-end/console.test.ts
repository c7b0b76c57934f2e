import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { inFull } from '../support/by-day.ts'
import { withGitHub } from '../support/issues.ts'
import { layLine } from '../support/line.ts'
import { startModel, type Model } from '../support/model.ts'
import { showing } from '../support/previews.ts'
import { startService, type Service } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''
/** Pictures of what was seen, for people. */
const PICTURES = join(import.meta.dirname, '..', '..', 'test-pictures')
const picture = async (page: Page, name: string): Promise<void> =>
  void (await page.screenshot({ path: join(PICTURES, `console-${name}.png`), animations: 'disabled' }))

const SERVER = `
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(readFileSync('page.html'))).listen(Number(process.env.PORT), '127.0.0.1')
`
const SITE = {
  'package.json': JSON.stringify({ name: 'site', private: true, type: 'module', scripts: { dev: 'node server.js' } }),
  'server.js': SERVER,
  'page.html': '<!doctype html>\n<title>Site</title>\n<h1>Fresh bread</h1>\n<p>Every day.</p>\n',
}

const box = (page: Page) => page.getByRole('textbox', { name: 'Message' })
const say = async (page: Page, text: string): Promise<void> => {
  await box(page).fill(text)
  await box(page).press('Enter')
}
/** Complaints of the page itself: errors, and what its policy forbids. */
function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = []
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|Trusted/i.test(message.text())) complaints.push(message.text())
  })
  return complaints
}

beforeAll(() => mkdir(PICTURES, { recursive: true }))

describe.skipIf(browser === undefined)(`the web console, in a browser${why}`, () => {
  it('leads from the first opening to an opened pull request', async () => {
    const token = 'CANARY-console-token-9a61'
    const env = { ...showing, API_TOKEN: token }
    await using on = await withGitHub({ repositories: [{ owner: 'acme', name: 'site', files: SITE }], service: { env }, token })
    await using context = await openBrowser(browser ?? '', { viewport: { width: 1300, height: 800 } })
    const page = await context.newPage()
    const complaints = complaintsOf(page)
    const addresses: string[] = []
    page.on('request', (request) => addresses.push(request.url()))

    await page.goto(on.service.url)
    await page.getByLabel('Access token').fill('not-the-token-of-this-service')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This token is not known here.').waitFor()
    await picture(page, '1-sign-in')
    await page.getByLabel('Access token').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    await page.getByLabel('Your repository').fill(`${on.github.url}/acme/site.git`)
    await picture(page, '2-first')
    await say(page, 'replace Fresh with Warm in page.html')
    await page.frameLocator('iframe').getByRole('heading', { name: 'Warm bread' }).waitFor()
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await picture(page, '3-changed')

    await page.getByRole('tab', { name: /Changes/ }).click()
    await page.getByRole('button', { name: /Warm bread/ }).click()
    await page.getByLabel('About page.html:3').fill('replace Every day with Every morning in page.html')
    await page.getByRole('button', { name: 'Add to the message' }).click()
    await picture(page, '4-remark')
    await page.getByRole('list', { name: 'Remarks' }).getByText('page.html:3').waitFor()
    await box(page).press('Enter')
    await page.getByText('> <h1>Warm bread</h1>').waitFor() // the line is quoted
    await say(page, 'replace Every day with Every morning in page.html')
    await page.getByText(/^\+?<p>Every morning/).waitFor()

    await page.getByRole('tab', { name: 'History' }).click()
    await page.getByRole('button', { name: 'Compare with now' }).last().click()
    await page.getByText('From “Where the thread began” to now').waitFor()
    await page.getByRole('tab', { name: 'History' }).click()
    await picture(page, '5-history')
    await page.getByRole('button', { name: 'Undo' }).click()
    await page
      .getByText(/Back at/)
      .first()
      .waitFor()
    await page.getByRole('tab', { name: 'Preview' }).click()
    await page.frameLocator('iframe').getByText('Every day.').waitFor()

    await page.getByRole('button', { name: 'Open pull request' }).click()
    await page.getByRole('link', { name: /Pull request/ }).waitFor()
    await page.getByRole('button', { name: 'Pushed ✓' }).waitFor()
    await picture(page, '6-proposed')
    const [pull] = await on.github.pulls()
    expect(await page.getByRole('link', { name: /Pull request/ }).getAttribute('href')).toContain(`/pull/${pull?.number}`)
    await page.reload()
    await page.getByRole('link', { name: /Pull request/ }).waitFor() // all of it is there again, by the address

    await page.getByRole('button', { name: 'Settings and cost' }).click()
    await page.getByRole('heading', { name: 'Spent' }).waitFor()
    await picture(page, '7-settings')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Access token').waitFor()
    expect(complaints).toEqual([])
    expect(addresses.filter((address) => address.includes(token))).toEqual([])
  })

  it('lets others into one thread by a link, to look or to work, and shows who is there', async () => {
    const token = 'CANARY-console-token-5d02'
    await using service = await startService({ env: { API_TOKEN: token } })
    await using owner = await openBrowser(browser ?? '')
    await using guest = await openBrowser(browser ?? '')
    const [mine, theirs] = [await owner.newPage(), await guest.newPage()]
    await mine.goto(service.url)
    await mine.getByLabel('Access token').fill(token)
    await mine.getByRole('button', { name: 'Sign in' }).click()
    await say(mine, 'write secret.txt: of another thread')
    await mine.waitForURL(/#\/.+/)
    await mine.getByRole('link', { name: 'New thread' }).click()
    await say(mine, 'write shared.txt: for all')
    await mine.getByRole('button', { name: 'Undo' }).waitFor()
    const link = async (role: string, name: string): Promise<string> => {
      await mine.getByRole('button', { name: 'Share' }).click()
      await mine.getByLabel('For whom').fill(name)
      await mine.getByLabel('They may').selectOption(role)
      await mine.getByRole('button', { name: 'Make a link' }).click()
      const made = await mine.getByLabel('The link').inputValue()
      await picture(mine, 'share')
      await mine.getByRole('button', { name: 'Close' }).click()
      return made
    }

    await theirs.goto(await link('look', 'Anna'))
    await theirs.getByText('Wrote shared.txt').first().waitFor()
    await theirs.getByText('You may look at this thread.').waitFor()
    expect(await box(theirs).count()).toBe(0)
    expect(theirs.url()).not.toContain('key')
    await mine.getByText('Here now: API_TOKEN, Anna').waitFor()
    await picture(mine, 'two-here')
    expect(await theirs.getByRole('navigation').getByRole('link').count()).toBe(1)
    await theirs.reload()
    await theirs.getByText('Wrote shared.txt').first().waitFor()

    const work = await link('work in it', 'Ben')
    await theirs.goto('about:blank')
    await theirs.goto(work)
    await say(theirs, 'write ben.txt: by Ben')
    await theirs.getByText('Wrote ben.txt').first().waitFor()
    await mine.locator('.author', { hasText: 'Ben' }).waitFor()
    const key = /key=(.+)$/.exec(work)?.[1] ?? ''
    const refused = async (method: string, path: string, body?: object): Promise<number> => {
      const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
      return (await fetch(`${service.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })).status
    }
    const ids = { clientId: 'me', userId: 'me', projectId: 'project' }
    expect(await refused('GET', '/api/costs/me/me')).toBe(403)
    expect(await refused('GET', '/metrics')).toBe(403)
    expect(await refused('POST', '/api/execute', { ...ids, threadId: 'other', instruction: 'write x.txt: y' })).toBe(403)
    expect(await refused('GET', '/api/threads/me/me/other/events')).toBe(403)
    const thread = decodeURIComponent(/#\/([^?]+)/.exec(work)?.[1] ?? '')
    expect(await refused('POST', `/api/threads/me/me/${thread}/share`, { role: 'work' })).toBe(403)
  })

  describe('on a service without tokens', () => {
    let [model, service]: [Model, Service] = [undefined!, undefined!]
    beforeAll(async () => {
      model = await startModel()
      service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', CONCURRENCY: '4' } })
    })
    afterAll(async () => {
      await service?.[Symbol.asyncDispose]()
      await model?.[Symbol.asyncDispose]()
    })
    const open = async (page: Page, text: string): Promise<string> => {
      await page.goto(service.url)
      await say(page, text)
      await page.waitForURL(/#\/.+/)
      return page.url()
    }
    const filesOf = async (thread: string): Promise<readonly string[]> => {
      const answer = await fetch(`${service.url}/api/threads/me/me/${encodeURIComponent(thread)}/files`)
      const { files } = (await answer.json()) as { readonly files: readonly { readonly path: string }[] } // oxlint-disable-line typescript/no-unsafe-type-assertion -- the answer of this very service
      return files.map(({ path }) => path)
    }
    const threadOf = (url: string): string => decodeURIComponent(url.slice(url.indexOf('#/') + 2))

    it('shows what waits, and lets it be changed, deleted and sent now', async () => {
      await using context = await openBrowser(browser ?? '')
      const page = await context.newPage()
      const held = model.hold('held back')
      await open(page, 'write one.txt: held back')
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
      await expect.poll(() => filesOf(threadOf(page.url()))).toContain('three.txt')
      expect(await filesOf(threadOf(page.url()))).not.toContain('two.txt')
    })

    it('keeps what is written and not sent, for each thread, when the tab is closed', async () => {
      await using context = await openBrowser(browser ?? '')
      const page = await context.newPage()
      const url = await open(page, 'write draft.txt: x')
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
      await open(page, 'ask Which colour? green or blue')
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
      const url = await open(first, 'write together.txt: 0')
      await second.goto(url)
      await second.getByText('write together.txt: 0').waitFor()
      await box(first).fill('write a.txt: of the first')
      await box(second).fill('write b.txt: of the second')
      await Promise.all([box(first).press('Enter'), box(second).press('Enter')])
      for (const page of [first, second]) for (const text of ['of the first', 'of the second']) await page.getByText(text).first().waitFor()
      const thread = threadOf(url)
      await expect.poll(() => filesOf(thread)).toEqual(expect.arrayContaining(['a.txt', 'b.txt']))
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
      await open(page, `write note.txt: ${hostile}`)
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
      await open(page, 'write many.txt: x')
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
      await open(page, 'write hand.txt: first')
      await page.getByRole('button', { name: 'Undo' }).waitFor()
      await page.getByRole('tab', { name: 'Files' }).click()
      await page.getByPlaceholder('Find a file').fill('hand')
      await page.getByRole('button', { name: 'hand.txt' }).click()
      const text = page.getByRole('textbox', { name: 'Text of hand.txt' })
      await text.press('Control+End')
      await text.pressSequentially(' and second')
      await text.press('Control+s')
      await page.getByText('Saved as a commit.').waitFor()
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
})

/** Puts events before those that a thread has, as if they had happened. */
async function writeEvents({ workspace }: Service, threadId: string, events: readonly object[]): Promise<void> {
  const [log] = globSync(join(workspace, '.branchline', 'events', '*', 'events.jsonl')).filter((path) => readFileSync(path, 'utf8').includes(`"${threadId}"`))
  if (log === undefined) throw new Error(`there is no log of ${threadId}`)
  const lines = events.map((event, n) => JSON.stringify({ id: `0.${n + 1}`, at: 1, threadId, ...event }))
  const former = log.replace('events.jsonl', 'events.1.jsonl')
  await writeFile(former, '')
  await appendFile(former, `${lines.join('\n')}\n`)
}
