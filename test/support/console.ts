import { readFileSync, globSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { Service } from './service.ts'

/** Where pictures of what was seen are put, for people. */
const PICTURES = join(import.meta.dirname, '..', '..', 'test-pictures')

export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true })
  await page.screenshot({ path: join(PICTURES, `console-${name}.png`), animations: 'disabled' })
}

export const box = (page: Page) => page.getByRole('textbox', { name: 'Message' })

export async function say(page: Page, text: string): Promise<void> {
  await box(page).fill(text)
  await box(page).press('Enter')
}

/** Begins a thread by its first message; answers its address. */
export async function begin(page: Page, { url }: Pick<Service, 'url'>, text: string): Promise<string> {
  await page.goto(url)
  await say(page, text)
  await page.waitForURL(/#\/.+/)
  return page.url()
}

/** The thread that an address names. */
export const threadOf = (url: string): string => decodeURIComponent(url.slice(url.indexOf('#/') + 2))

/** The files of a thread's last commit. */
export async function filesOf({ url }: Pick<Service, 'url'>, thread: string): Promise<readonly string[]> {
  const answer = await fetch(`${url}/api/threads/me/me/${encodeURIComponent(thread)}/files`)
  const { files } = (await answer.json()) as { readonly files: readonly { readonly path: string }[] }
  return files.map(({ path }) => path)
}

/** Complaints of a page itself: errors, and what its policy forbids. */
export function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = []
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|Trusted/i.test(message.text())) complaints.push(message.text())
  })
  return complaints
}

/** Puts events before those that a thread has, as if they had happened. */
export async function writeEvents({ workspace }: Pick<Service, 'workspace'>, threadId: string, events: readonly object[]): Promise<void> {
  const [log] = globSync(join(workspace, '.branchline', 'events', '*', 'events.jsonl')).filter((path) => readFileSync(path, 'utf8').includes(`"${threadId}"`))
  if (log === undefined) throw new Error(`there is no log of ${threadId}`)
  const lines = events.map((event, n) => JSON.stringify({ id: `0.${n + 1}`, at: 1, threadId, ...event }))
  await writeFile(log.replace('events.jsonl', 'events.1.jsonl'), `${lines.join('\n')}\n`)
}
