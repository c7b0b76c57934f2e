import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BrowserContext, BrowserType } from 'playwright-core'

const exec = promisify(execFile)
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable']
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** A browser of this machine; without one, tests that need it are skipped. */
export const findBrowser = (): string | undefined => PLACES.find((path) => existsSync(path))

/** On a Debian where we are root, installs one where there is none. */
export async function installBrowser(): Promise<void> {
  if (findBrowser() !== undefined || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await exec('/usr/bin/apt-get', ['update', '-qq'], { env })
    await exec('/usr/bin/apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], { env })
  } catch (error) {
    process.stderr.write(`no browser could be installed: ${error instanceof Error ? error.message.slice(0, 500) : ''}\n`)
  }
}

/** A real browser with a profile of its own. */
export async function openBrowser(
  executablePath: string,
  more: Parameters<BrowserType['launchPersistentContext']>[1] = {},
): Promise<BrowserContext & AsyncDisposable> {
  const { chromium } = await import('playwright-core')
  const profile = await mkdtemp(join(tmpdir(), 'branchline-browser-'))
  const args = [...FLAGS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])]
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args, viewport: { width: 1100, height: 800 }, ...more })
  context.setDefaultTimeout(60_000)
  return Object.assign(context, {
    [Symbol.asyncDispose]: async () => {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  })
}
