import { haltAll, resume } from '../process/halt.ts'
import { endAll } from '../process/end-all.ts'
import { oneAtATime } from '../process/one-at-a-time.ts'
import { DevServer, PreviewFailed, type DevServerSettings, type PreviewPlace, type ServerState } from './dev-server.ts'
import { inOneLine, PageErrors, type PageError } from './page-errors.ts'
import { SiteFiles } from './site-files.ts'

export interface PreviewsSettings extends DevServerSettings {
  /** Dev servers that may run at once. */
  readonly keep: number
  /** Memory that they leave free, in bytes. */
  readonly memoryReserve: number
  /** After so long without a request or an open page one is stopped. */
  readonly idleMs: number
}

/** How a preview stands, for people. `broken`: it is served, and errors are on its pages. */
export type PreviewState = ServerState | 'broken'

export interface PreviewStanding {
  readonly state: PreviewState
  readonly errors: readonly string[]
}

interface Running {
  readonly server: DevServer
  readonly files: SiteFiles
  errors: PageErrors | undefined
  usedAt: number
  /** When a page was answered by an error whose message its browser may not have heard. */
  failedAt: number | undefined
  /** It has answered before. */
  wasReady: boolean
  /** Pages that are open: sockets of hot module replacement. */
  open: number
  told: string
}

const LOOK_MS = 5000
/** A page opens its socket soon after it was answered. */
const OWED_MS = 15_000
/** How long somebody who waits for a preview waits for it to start. */
const START_MS = 130_000

/** The dev servers that run, at most one for each slot, the least used stopped first. */
export class Previews implements AsyncDisposable {
  readonly #settings: PreviewsSettings
  readonly #running = new Map<string, Running>()
  readonly #inTurn = oneAtATime()
  /** Slots whose files the service touches, and what stands still there meanwhile. */
  readonly #still = new Map<string, ReadonlySet<number>>()
  readonly #listeners = new Map<string, (standing: PreviewStanding) => void>()
  #waiters = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(settings: PreviewsSettings) {
    this.#settings = settings
  }

  /** Starts the dev server of a slot where none runs; others make room. `tell` hears whenever it stands otherwise. */
  async open(slot: string, place: PreviewPlace, tell: (standing: PreviewStanding) => void): Promise<void> {
    await this.#inTurn(slot, async () => {
      if (this.#closed) throw new PreviewFailed('The service is stopping.')
      const known = this.#running.get(slot)
      if (known !== undefined && JSON.stringify(known.server.place.site) === JSON.stringify(place.site)) {
        known.server.start()
        known.usedAt = performance.now()
        return
      }
      await this.#end(slot)
      await this.#makeRoom(1)
      await endAll(place.slot)
      this.#listeners.set(slot, tell)
      const server = new DevServer(place, this.#settings, { changed: () => this.#changed(slot), hear: (line) => this.#running.get(slot)?.errors?.hear(line) })
      const files = new SiteFiles(place.workTree, () => this.restart(slot))
      this.#running.set(slot, { server, files, errors: undefined, usedAt: performance.now(), failedAt: undefined, wasReady: false, open: 0, told: '' })
      await files.start()
      if (this.#still.has(slot) && place.slot.identity.uid !== undefined) server.hold()
      server.start()
    })
    this.#timer ??= setInterval(() => void this.#look().catch(() => {}), LOOK_MS).unref() // what will not end is told of when its slot is used
  }

  async stop(slot: string): Promise<void> {
    await this.#inTurn(slot, () => this.#end(slot))
  }

  /** Ends the process and starts another, where one runs: its configuration or its dependencies are others. */
  restart(slot: string): void {
    this.#running.get(slot)?.server.restart()
  }

  standing(slot: string): PreviewStanding {
    const running = this.#running.get(slot)
    if (running === undefined) return { state: 'stopped', errors: [] }
    const errors = running.server.state === 'ready' ? (running.errors?.errors ?? []) : []
    return { state: errors.length > 0 ? 'broken' : running.server.state, errors: errors.map(inOneLine) }
  }

  /** Its last words, for a person who sees that it does not start. */
  lastWords(slot: string): string {
    const server = this.#running.get(slot)?.server
    return server?.lastWords.replaceAll(`${server.place.workTree}/`, '') ?? ''
  }

  /** Only sockets that Vite knows get an answer from it. */
  viteOnly(slot: string): boolean {
    return this.#running.get(slot)?.server.place.site.kind === 'astro'
  }

  /** The port on loopback where a slot's pages are, while they are. */
  port(slot: string): number | undefined {
    const server = this.#running.get(slot)?.server
    return server?.state === 'ready' ? server.port : undefined
  }

  /** Resolves when it answers. @throws PreviewFailed; what `stop` was aborted with */
  async ready(slot: string, stop?: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(START_MS)
    for (;;) {
      stop?.throwIfAborted()
      const server = this.#running.get(slot)?.server
      if (server?.state === 'ready') return
      if (server === undefined || server.state === 'stopped') throw new PreviewFailed('The preview was stopped: others were used more lately.')
      if (server.state === 'failed' || timeout.aborted)
        throw new PreviewFailed(`The preview does not start. Its last words:\n${this.lastWords(slot) || '(none)'}`)
      await this.#next(stop === undefined ? timeout : AbortSignal.any([timeout, stop]))
    }
  }

  /**
   * Sees to it that what is served is the site as it is by now: a server that has answered before and is started anew, because its
   * configuration or its dependencies are others, is waited for.
   *
   * @returns whether it answers by then
   * @throws PreviewFailed where it does not start any more
   */
  async settled(slot: string, stop: AbortSignal): Promise<boolean> {
    const running = this.#running.get(slot)
    await running?.files.settle()
    if (running?.wasReady === true && running.server.state !== 'ready') await this.ready(slot, stop)
    return this.port(slot) !== undefined
  }

  /** Somebody asks for a page; with `page` he looks at it. */
  used(slot: string, page?: string): void {
    const running = this.#running.get(slot)
    if (running === undefined) return
    running.usedAt = performance.now()
    if (page !== undefined) running.errors?.visit(page)
  }

  /** A page was answered by an error; the next socket that is opened is that page's. */
  pageFailed(slot: string): void {
    const running = this.#running.get(slot)
    if (running !== undefined) running.failedAt = performance.now()
  }

  /**
   * What the page of a socket that is being opened has not heard. Vite keeps the message of an error for the first browser that comes,
   * where nobody is connected; and here somebody is, who looks for errors.
   */
  owed(slot: string): string | undefined {
    const running = this.#running.get(slot)
    const at = running?.failedAt
    if (running === undefined || at === undefined) return undefined
    running.failedAt = undefined
    return performance.now() - at < OWED_MS ? running.errors?.saidSince(at) : undefined
  }

  /** A page is open until this is disposed of. */
  opened(slot: string): Disposable {
    const running = this.#running.get(slot)
    if (running !== undefined) running.open += 1
    return {
      [Symbol.dispose]: () => {
        if (running === undefined) return
        running.open -= 1
        running.usedAt = performance.now()
      },
    }
  }

  /** Pages that somebody has looked at lately. */
  visited(slot: string): readonly string[] {
    return this.#running.get(slot)?.errors?.visited ?? []
  }

  /** Asks a preview that is ready for pages, and answers what is wrong; `undefined` where none is ready. */
  async check(slot: string, pages: readonly string[], stop?: AbortSignal): Promise<readonly PageError[] | undefined> {
    return this.#running.get(slot)?.errors?.look(pages, stop)
  }

  /**
   * Whatever runs in a preview stands still from here on, until `goOn`: it may write in the work tree, whose files the service is about
   * to touch. What does not stand still is ended.
   */
  async standStill(slot: string): Promise<void> {
    if (this.#still.has(slot)) return
    this.#still.set(slot, new Set())
    const server = this.#running.get(slot)?.server
    if (server === undefined || server.place.slot.identity.uid === undefined) return
    server.hold()
    const pids = await haltAll(server.place.slot)
    if (pids === undefined) await endAll(server.place.slot)
    else this.#still.set(slot, pids)
  }

  goOn(slot: string): void {
    resume(this.#still.get(slot))
    this.#still.delete(slot)
    this.#running.get(slot)?.server.letGo()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await Promise.all([...this.#running.keys()].map((slot) => this.stop(slot)))
  }

  async #end(slot: string): Promise<void> {
    const running = this.#running.get(slot)
    if (running === undefined) return
    running.files[Symbol.dispose]()
    running.errors?.[Symbol.dispose]()
    running.errors = undefined
    await running.server[Symbol.asyncDispose]()
    this.#running.delete(slot)
    this.#listeners.delete(slot)
  }

  #changed(slot: string): void {
    const running = this.#running.get(slot)
    if (running === undefined) return
    const { server } = running
    if (server.state !== 'ready') {
      running.errors?.[Symbol.dispose]()
      running.errors = undefined
    } else if (running.errors === undefined) {
      running.wasReady = true
      const { workTree } = server.place
      const errors = new PageErrors({ port: server.port, workTree }, () => this.#tell(slot))
      running.errors = errors
      void errors.look(['/'])
    }
    this.#tell(slot)
  }

  #tell(slot: string): void {
    const running = this.#running.get(slot)
    if (running === undefined) return
    const standing = this.standing(slot)
    const said = JSON.stringify(standing)
    if (said === running.told) return
    running.told = said
    this.#listeners.get(slot)?.(standing)
    for (const wake of this.#waiters) wake()
  }

  async #next(stop: AbortSignal): Promise<void> {
    if (stop.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters.add(resolve)
    stop.addEventListener('abort', () => resolve(), { once: true })
    await promise.finally(() => this.#waiters.delete(resolve))
  }

  async #look(): Promise<void> {
    const now = performance.now()
    const idle = [...this.#running].filter(([, { usedAt, open }]) => open === 0 && now - usedAt > this.#settings.idleMs)
    for (const [slot] of idle) await this.stop(slot)
    await this.#makeRoom(0)
  }

  /** Stops the least used until there is a place for so many more, and memory. */
  async #makeRoom(wanted: number): Promise<void> {
    const byUse = [...this.#running].toSorted(([, a], [, b]) => Number(a.open > 0) - Number(b.open > 0) || a.usedAt - b.usedAt)
    const many = Math.max(0, byUse.length + wanted - this.#settings.keep)
    for (const [slot] of byUse.slice(0, many)) await this.stop(slot)
    for (const [slot] of byUse.slice(many, -1)) {
      if (process.availableMemory() >= this.#settings.memoryReserve) return
      await this.stop(slot)
    }
  }
}
