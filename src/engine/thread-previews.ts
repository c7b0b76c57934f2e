import { setTimeout as delay } from 'node:timers/promises'
import { RunFailure } from '../command/ending.ts'
import { threadKey, type ThreadKey, type ThreadRef } from '../command/ids.ts'
import type { Target } from '../preview/gateway.ts'
import type { PreviewStanding } from '../preview/standing.ts'
import { printable, messageOf } from '../observe/text.ts'
import { threadPaths } from '../workspace/paths.ts'
import { namesOf, previewSlot, slotOf } from './names.ts'
import { ShuttingDown } from './reasons.ts'
import { openPreview, type InTurn } from './preview.ts'
import { prepareThread } from './prepare.ts'
import type { Tools } from './tools.ts'

interface Standing extends Omit<PreviewStanding, 'state'> {
  readonly state: PreviewStanding['state'] | 'preparing'
  readonly url: string | undefined
  /** Why it does not run. */
  readonly why?: string | undefined
}

interface Shown extends Target {
  readonly slot: string
}

/** The previews of threads: which are being made ready, which cannot be, and what the gateway needs of each. */
export class ThreadPreviews {
  readonly #tools: Tools
  readonly #turnOf: (ref: ThreadRef) => InTurn
  readonly #preparing = new Map<ThreadKey, Promise<void>>()
  /** Why the last try came to nothing, and when. */
  readonly #failures = new Map<ThreadKey, { readonly why: string; readonly at: number; readonly nothing: boolean }>()
  readonly #targets = new Map<ThreadKey, Shown>()
  readonly #closing = new AbortController()
  /** The thread that was active last. */
  #active: ThreadRef | undefined

  constructor(tools: Tools, turnOf: (ref: ThreadRef) => InTurn) {
    this.#tools = tools
    this.#turnOf = turnOf
  }

  activate({ clientId, userId, projectId, threadId }: ThreadRef): void {
    this.#active = { clientId, userId, projectId, threadId }
  }

  /** Begins to wait for nothing any more; resolves when nothing is being made ready. */
  async close(): Promise<void> {
    this.#closing.abort(new ShuttingDown())
    await Promise.allSettled(this.#preparing.values())
  }

  /** Aborts when the service begins to stop. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** A run has ended; what failed before may be mended. */
  followUp(ref: ThreadRef): void {
    this.#failures.delete(threadKey(ref))
    this.wake(ref)
  }

  /**
   * Makes it run; resolves when its server has been started.
   *
   * @param anew somebody asks for it on purpose
   * @throws RunFailure, ShuttingDown
   */
  async open(ref: ThreadRef, anew = true): Promise<void> {
    const key = threadKey(ref)
    const known = this.#preparing.get(key)
    if (known !== undefined) return known
    const opening = this.#open(ref, anew).finally(() => this.#preparing.delete(key))
    this.#preparing.set(key, opening)
    await opening
  }

  async #open(ref: ThreadRef, anew: boolean): Promise<void> {
    const [key, inTurn] = [threadKey(ref), this.#turnOf(ref)]
    try {
      const prepared = this.#tools.prepared.get(key)
      const thread = prepared ?? (await inTurn((stop) => prepareThread(ref, { ifThere: true }, this.#tools, stop)))
      await openPreview(thread, this.#tools, { inTurn, stop: AbortSignal.any([this.#tools.stopping, this.#closing.signal]), anew })
      this.#failures.delete(key)
    } catch (error) {
      const nothing = error instanceof RunFailure && error.code === 'rejected' // to show, as in most repositories
      const why = this.#tools.redact(printable(messageOf(error), 2000))
      this.#failures.set(key, { why, at: Date.now(), nothing })
      if (!nothing && !this.#closing.signal.aborted) this.#tools.log.warn({ event: 'preview.not_opened', threadId: ref.threadId, error: why })
      throw error
    }
  }

  /** The same in the background; nothing that cannot be shown is tried again and again. */
  wake(ref: ThreadRef): void {
    if (!this.#tools.preview.on || this.#closing.signal.aborted || Date.now() - (this.#failures.get(threadKey(ref))?.at ?? 0) < AGAIN_MS) return
    this.open(ref, false).catch(() => {}) // logged once, and it stands in `why`
  }

  async standing(ref: ThreadRef): Promise<Standing> {
    const url = await this.#tools.preview.urlOf(ref)
    return { ...this.#standingOf(threadKey(ref), (await this.#targetOf(ref))?.slot ?? ''), url }
  }

  /** How the server stands, or what is on the way to it. */
  #standingOf(key: ThreadKey, slot: string): Omit<Standing, 'url'> {
    const { previews, redact } = this.#tools
    const standing = previews.standing(slot)
    if (standing.state === 'failed') return { ...standing, why: redact(previews.lastWords(slot)) }
    if (standing.state !== 'stopped') return standing
    if (this.#preparing.has(key)) return { ...standing, state: 'preparing' }
    const failure = this.#failures.get(key)
    return failure === undefined ? standing : { ...standing, state: failure.nothing ? 'stopped' : 'failed', why: failure.why }
  }

  async stop(ref: ThreadRef): Promise<void> {
    // What is being installed is not waited for; it starts the preview when it is there.
    await Promise.race([this.#preparing.get(threadKey(ref))?.catch(() => {}), delay(STOP_MS, undefined, { ref: false })])
    const slot = (await this.#targetOf(ref))?.slot
    if (slot !== undefined) await this.#tools.previews.stop(slot)
  }

  /** What the gateway shows under a label; without one, the thread that was active last. */
  async find(label: string | undefined): Promise<Target | undefined> {
    const ref = label === undefined ? this.#active : await this.#tools.preview.labels.threadOf(label)
    return ref === undefined ? undefined : this.#targetOf(ref)
  }

  async #targetOf(ref: ThreadRef): Promise<Shown | undefined> {
    const key = threadKey(ref)
    const known = this.#targets.get(key)
    if (known !== undefined) return known
    const record = await this.#tools.journal.thread(ref)
    const label = await this.#tools.preview.labels.labelOf(ref)
    if (record === undefined || label === undefined) return undefined
    const { slot } = record
    const paths = threadPaths(this.#tools.root, await namesOf(ref, this.#tools), slot)
    const { previews } = this.#tools
    const target: Shown = {
      slot,
      label,
      workTree: paths.workTree,
      caches: [paths.preview.folder],
      users: new Set([slotOf(record, this.#tools), previewSlot(record, this.#tools)].flatMap(({ identity }) => identity.uid ?? [])),
      viteOnly: () => previews.viteOnly(slot),
      port: () => previews.port(slot),
      shown: () => {
        const { state, why } = this.#standingOf(key, slot)
        return { label, state: why === undefined ? state : 'failed', output: why ?? this.#tools.redact(previews.lastWords(slot)) }
      },
      wake: () => this.wake(ref),
      used: (page: string | undefined) => previews.used(slot, page),
      opened: () => previews.opened(slot),
      pageFailed: () => previews.pageFailed(slot),
      owed: () => previews.owed(slot),
    }
    this.#targets.set(key, target)
    return target
  }
}

const STOP_MS = 2000
/** Before what could not be shown is tried again because somebody looks. */
const AGAIN_MS = 3000
