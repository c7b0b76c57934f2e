import { lstat, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { measure } from '../observe/measure.ts'

/** What is older was not changed just now: a page was loaded anew for another reason. */
const MOST_SECONDS = 60
const MOST_FILES = 20

/** Measures how long ago the files were written that Vite tells browsers of. What it says is a stranger's: nothing outside of the work tree is looked at. */
export async function measureChange(message: { readonly updates?: unknown; readonly triggeredBy?: unknown }, workTree: string): Promise<void> {
  const told: readonly unknown[] = Array.isArray(message.updates) ? message.updates.map((update: unknown) => pathOf(update)) : [message.triggeredBy]
  const now = Date.now()
  const root = await realpath(workTree).catch(() => workTree)
  for (const path of new Set(told.slice(0, MOST_FILES))) {
    if (typeof path !== 'string' || path.length > 1000 || path.includes('..') || path.includes('\0')) continue
    const file = path.startsWith(`${workTree}/`) ? path : join(workTree, path.replace(/\?.*$/, ''))
    const real = await realpath(file).catch(() => '') // a module that is no file
    const written = real.startsWith(`${root}/`) ? await lstat(real).catch(() => undefined) : undefined
    const seconds = (now - (written?.mtimeMs ?? 0)) / 1000
    if (seconds >= 0 && seconds < MOST_SECONDS) measure('preview_change_seconds', seconds, {})
  }
}

const pathOf = (update: unknown): unknown => (typeof update === 'object' && update !== null && 'path' in update ? update.path : undefined)
