import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable']
const FLAGS = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** A browser of this machine; on a Debian where we are root one is installed. Else `undefined`, and tests that need one are skipped. */
export function findBrowser(): string | undefined {
  const found = PLACES.find((path) => existsSync(path))
  if (found !== undefined || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return found
  try {
    execFileSync('/usr/bin/apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('/usr/bin/apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch {
    return undefined // no network, or another Debian
  }
  return PLACES.find((path) => existsSync(path))
}

/** A real browser with a profile of its own. */
export async function openBrowser(executablePath: string, more: { readonly javaScriptEnabled?: boolean } = {}): Promise<BrowserContext & AsyncDisposable> {
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
