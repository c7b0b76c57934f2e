import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../support/browser.ts'
import { showing } from '../support/previews.ts'
import { startService } from '../support/service.ts'

const browser = findBrowser()
const why = browser === undefined ? ' (skipped: there is no Chromium)' : ''
/** Pictures of what was seen, for people. */
const PICTURES = join(import.meta.dirname, '..', '..', 'test-pictures')

describe.skipIf(browser === undefined)(`the web console, in a browser${why}`, () => {
  it('leads from the first opening to a change in the preview, and back', async () => {
    await mkdir(PICTURES, { recursive: true })
    await using service = await startService({ example: true, installed: true, env: { ...showing } })
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', ({ message }) => complaints.push(message))
    await page.goto(service.url)
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    await page.screenshot({ path: join(PICTURES, 'console-first.png') })
    await page.getByLabel('Message').fill('replace Fresh bread with Warm bread in src/pages/index.astro')
    await page.keyboard.press('Enter')
    await page.frameLocator('iframe').getByRole('heading', { name: 'Warm bread' }).waitFor()
    await page.screenshot({ path: join(PICTURES, 'console-changed.png') })
    await page.getByRole('tab', { name: 'Changes (1)' }).click()
    await page.getByText(/^\+.*Warm bread/).waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('Nothing is changed yet.').waitFor()
    await page.reload()
    await page.getByText('Go back').waitFor() // all of it is there again, by the address
    expect(complaints).toEqual([])
  })

  it('asks for the token where one is needed, and leaves it in no address', async () => {
    const token = 'CANARY-console-token-9a61'
    await using service = await startService({ env: { API_TOKEN: token } })
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    await page.goto(service.url)
    await page.getByLabel('Access token').fill('not-the-token-of-this-service')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('This token is not known here.').waitFor()
    await page.getByLabel('Access token').fill(token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'What should change?' }).waitFor()
    expect(page.url()).not.toContain(token)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Access token').waitFor()
  })

  it('shows what an agent says as text, whatever it holds', async () => {
    await using service = await startService()
    await using context = await openBrowser(browser ?? '')
    const page = await context.newPage()
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await page.goto(service.url)
    await page.getByLabel('Message').fill(`write note.txt: ${hostile}`)
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Undo' }).waitFor()
    await page.getByText(hostile).first().waitFor()
    expect(await page.title()).toBe('Branchline')
    expect(await page.locator('.entries img, .entries script').count()).toBe(0)
  })
})
