import { createHash } from 'node:crypto'
import { watch, type FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { lstat, readdir } from 'node:fs/promises'
import { readPlainFile } from '../process/plain-file.ts'

/** Files that a dev server reads when it starts: Astro's own way of starting anew in place loses content from then on. */
const READ_AT_START =
  /^(package(-lock)?\.json|pnpm-lock\.yaml|yarn\.lock|tsconfig\.json|\.env(\.(local|development|production|test)(\.local)?)?|(astro|vite|next|nuxt|svelte)\.config\.\w+)$/
const CONTENT_CONFIG = /^content\.config\.\w+$/
/** What is longer counts by its length and time. */
const MAX_BYTES = 2_000_000
const MAX_FILES = 40
/** Several files are written one after the other. */
const SETTLE_MS = 300

/** Tells when the files of a site have changed that its dev server reads once, at its start. */
export class SiteFiles implements Disposable {
  readonly #workTree: string
  readonly #changed: () => void
  readonly #watchers: FSWatcher[] = []
  #print = ''
  #soon: NodeJS.Timeout | undefined
  #over = false

  constructor(workTree: string, changed: () => void) {
    this.#workTree = workTree
    this.#changed = changed
  }

  async start(): Promise<void> {
    this.#watch('', READ_AT_START)
    this.#watch('src', CONTENT_CONFIG)
    this.#print = await this.#look()
  }

  #watch(folder: string, names: RegExp): void {
    try {
      const watcher = watch(join(this.#workTree, folder), { persistent: false }, (_event, name) => {
        if (name !== null && names.test(name)) this.#lookSoon()
      })
      watcher.on('error', () => {}) // the folder is gone
      this.#watchers.push(watcher)
    } catch {
      // there is no such folder
    }
  }

  #lookSoon(): void {
    clearTimeout(this.#soon)
    this.#soon = setTimeout(() => void this.#compare().catch(() => {}), SETTLE_MS).unref() // a folder that cannot be read holds nothing that has changed
  }

  /** Looks now, where a change may not have been noticed yet. */
  async settle(): Promise<void> {
    clearTimeout(this.#soon)
    await this.#compare()
  }

  async #compare(): Promise<void> {
    const print = await this.#look()
    if (print === this.#print || this.#over) return
    this.#print = print
    this.#changed()
  }

  async #look(): Promise<string> {
    const hash = createHash('sha256')
    for (const [folder, names] of [
      ['', READ_AT_START],
      ['src', CONTENT_CONFIG],
    ] as const) {
      const found = (await readdir(join(this.#workTree, folder)).catch(() => []))
        .filter((name) => names.test(name))
        .toSorted()
        .slice(0, MAX_FILES)
      for (const name of found) {
        const path = join(this.#workTree, folder, name)
        const [content, about] = [await readPlainFile(path, MAX_BYTES), await lstat(path).catch(() => undefined)]
        hash.update(`${folder}/${name} ${about?.size}\0`).update(content ?? String(about?.mtimeMs))
      }
    }
    return hash.digest('hex')
  }

  [Symbol.dispose](): void {
    this.#over = true
    clearTimeout(this.#soon)
    for (const watcher of this.#watchers) watcher.close()
  }
}
