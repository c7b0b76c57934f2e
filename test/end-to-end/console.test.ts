import { describe, expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { box, complaintsOf, picture, say } from '../support/console.ts'
import { withGitHub } from '../support/issues.ts'
import { showing } from '../support/previews.ts'
import { startService } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''

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

    await page.getByRole('button', { name: 'Point at something' }).click()
    const headline = await page.frameLocator('iframe').getByRole('heading', { name: 'Warm bread' }).boundingBox()
    await page.mouse.move((headline?.x ?? 0) + 40, (headline?.y ?? 0) + 10)
    await picture(page, '3-pointing')
    await page.mouse.down()
    await page.mouse.up()
    await page.getByLabel(/^About .*h1/).fill('Larger')
    await page.getByRole('button', { name: 'Add to the message' }).click()
    await page.getByRole('button', { name: /^Remove the remark on .*h1/ }).click()

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
    await page.getByRole('button', { name: 'Compare with now' }).first().waitFor()
    expect(await page.locator('iframe').isVisible()).toBe(false)
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
    await mine.getByText('Here now: you and Anna').waitFor()
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
})
