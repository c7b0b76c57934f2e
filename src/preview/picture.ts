import { existsSync } from 'node:fs'
import { chmod, lchown, mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readPlainFile } from '../process/plain-file.ts'
import { removeTree } from '../process/remove-tree.ts'
import { run } from '../process/run.ts'
import type { Slot } from '../process/end-all.ts'
import { SLOT_VARIABLE } from '../process/table.ts'

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const QUIET =
  '--headless --disable-gpu --hide-scrollbars --mute-audio --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage'.split(
    ' ',
  )
const WINDOW = '--window-size=1280,900'
const PICTURE_MS = 15_000
const MAX_BYTES = 10_000_000

/** The browser that pictures are taken with, where this machine has one. */
export const findChromium = (): string | undefined => PLACES.find((path) => existsSync(path))

interface Sitter {
  readonly browser: string
  readonly url: string
  /** The preview's own: whatever the page does to the browser, it has the preview's user, which runs the site's own code anyway. */
  readonly slot: Slot
  readonly path: string
  /** Proxies: a page may ask for anything. */
  readonly env: Readonly<Record<string, string>>
  readonly stop: AbortSignal
}

/** A PNG of a page as a visitor sees it first, or `undefined` where none could be taken in time. */
export async function takePicture({ browser, url, slot, path, env, stop }: Sitter): Promise<Buffer | undefined> {
  // A path that is short: a socket of Chromium's has room for a hundred characters. The outer folder is ours, so nobody swaps the inner one.
  const outer = await mkdtemp(join(tmpdir(), 'branchline-picture-'))
  const folder = join(outer, 'own')
  const file = join(folder, 'picture.png')
  // Chromium's own sandbox does not start as root, nor for a user that may not make namespaces.
  const unboxed = slot.identity.uid !== undefined || process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const { uid, gid } = slot.identity
  await chmod(outer, 0o711)
  await mkdir(folder, { mode: 0o770 })
  if (uid !== undefined && gid !== undefined) await lchown(folder, uid, gid)
  try {
    await run(browser, [...QUIET, ...unboxed, WINDOW, `--user-data-dir=${join(folder, 'profile')}`, `--screenshot=${file}`, '--', url], {
      cwd: folder,
      as: slot.identity,
      umask: 0o007,
      contained: true,
      detached: true,
      env: { ...env, PATH: path, HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8', [SLOT_VARIABLE]: slot.slot },
      timeoutMs: PICTURE_MS,
      keepBytes: 10_000,
      stop,
    })
    return await readPlainFile(file, MAX_BYTES)
  } catch {
    return undefined // out of time, or stopped: a picture is worth no failure
  } finally {
    await removeTree(outer)
  }
}
