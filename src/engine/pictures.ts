import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { threadKey, type ThreadRef } from '../command/ids.ts'
import { messageOf } from '../observe/text.ts'
import { takePicture } from '../preview/picture.ts'
import { exists, writeAtomically } from '../workspace/files.ts'
import { tipOf } from '../workspace/thread-home.ts'
import { previewSlot } from './names.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** Of one run. */
const MAX_PAGES = 3
const KEPT_PER_THREAD = 60

/** What the folder of a thread's pictures is called. */
export const pictureFolder = (ref: ThreadRef): string => createHash('sha256').update(threadKey(ref)).digest('hex').slice(0, 32)
export const PICTURE_FOLDER = /^[0-9a-f]{32}$/

/** Where the pictures of a folder are. */
export const picturesIn = (root: string, folder: string): string => join(root, '.branchline', 'pictures', folder)

/** The folder of a thread's pictures. */
export const picturesOf = (root: string, ref: ThreadRef): string => picturesIn(root, pictureFolder(ref))

/** What a picture may be called; whoever asks for one says a name. */
export const PICTURE_NAME = /^[a-z0-9-]{1,80}\.png$/

/**
 * Pictures of pages before and after a run, where the preview is ready. What was taken after a run shows how the next one begins, so
 * it is not taken again.
 */
export class Pictures {
  readonly #thread: Thread
  readonly #tools: Tools
  readonly #run: string
  readonly #before = new Map<string, string>()

  constructor(thread: Thread, run: string, tools: Tools) {
    this.#thread = thread
    this.#run = run
    this.#tools = tools
  }

  /** Pages as they are before the run: of the commit that the thread is at. Never rejects: pictures are worth no failure. */
  async before(stop: AbortSignal): Promise<void> {
    if (this.#tools.preview.browser !== undefined) await this.#takeBefore(stop).catch((error: unknown) => void this.#missed(error))
  }

  async #takeBefore(stop: AbortSignal): Promise<void> {
    const tip = await tipOf(this.#thread.home)
    const last = (await this.#tools.journal.checkpoints(this.#thread.ref)).at(-1)
    const pages = [...new Set(['/', ...this.#tools.previews.visited(this.#thread.home.slot.slot)])].slice(0, MAX_PAGES)
    for (const page of pages) {
      const left = nameOf(page, last?.commit === tip ? last.commandId : tip)
      const there = await exists(join(this.#folder, left))
      const name = there ? left : nameOf(page, tip)
      if (there || (await this.#take(page, name, stop))) this.#before.set(page, name)
    }
  }

  /** Pages as the run has left them, each behind what it was before. Answers their names; never rejects. */
  async after(pages: readonly string[], stop: AbortSignal): Promise<readonly string[]> {
    if (this.#tools.preview.browser === undefined) return []
    return this.#takeAfter(pages, stop).catch((error: unknown) => this.#missed(error))
  }

  #missed(error: unknown): [] {
    this.#tools.log.warn({ event: 'pictures.missed', threadId: this.#thread.ref.threadId, error: messageOf(error) })
    return []
  }

  async #takeAfter(pages: readonly string[], stop: AbortSignal): Promise<readonly string[]> {
    const taken: string[] = []
    for (const page of pages.slice(0, MAX_PAGES)) {
      const name = nameOf(page, this.#run)
      if (!(await this.#take(page, name, stop))) continue
      taken.push(...[this.#before.get(page)].filter((each) => each !== undefined), name)
    }
    return taken
  }

  get #folder(): string {
    return picturesOf(this.#tools.root, this.#thread.ref)
  }

  async #take(page: string, name: string, stop: AbortSignal): Promise<boolean> {
    const { home, record } = this.#thread
    const { preview, previews, installing } = this.#tools
    const port = previews.port(home.slot.slot)
    if (port === undefined || preview.browser === undefined || stop.aborted) return false
    const url = `http://127.0.0.1:${port}${page}`
    const picture = await takePicture({
      browser: preview.browser,
      url,
      slot: previewSlot(record, this.#tools),
      path: installing.path,
      env: installing.agentNetworkEnv,
      stop,
    })
    if (picture === undefined) return false
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await writeAtomically(join(this.#folder, name), picture)
    await prune(this.#folder)
    return true
  }
}

/** `breads-0123456789ab.png`: the page, and a hash of what it shows. */
function nameOf(page: string, of: string): string {
  const words = page
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 50)
  return `${words || 'home'}-${createHash('sha256').update(`${page} ${of}`).digest('hex').slice(0, 12)}.png`
}

async function prune(folder: string): Promise<void> {
  const names = await readdir(folder)
  if (names.length <= KEPT_PER_THREAD) return
  const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })))
  for (const { name } of aged.toSorted((a, b) => a.at - b.at).slice(0, -KEPT_PER_THREAD)) await rm(join(folder, name), { force: true })
}
