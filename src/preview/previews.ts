import { haltAll, resumeAll } from '../process/halt.ts'
import { endAll } from '../process/end-all.ts'
import { oneAtATime } from '../process/one-at-a-time.ts'
import { DevServer, PreviewFailed, type DevServerSettings, type PreviewPlace } from './dev-server.ts'
import { inOneLine, PageErrors, type PageError } from './page-errors.ts'
import type { PreviewStanding } from './standing.ts'
import { SiteFiles } from './site-files.ts'
import { Telling } from './telling.ts'

export interface PreviewsSettings extends DevServerSettings {
  /** Dev servers that may run at once. */
  readonly keep: number
  /** Memory that they leave free, in bytes. */
  readonly memoryReserve: number
  /** After so long without a request or an open page one is stopped. */
  readonly idleMs: number
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
  readonly tell: (standing: PreviewStanding) => void
  readonly telling: Telling
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
  /** Slots whose files the service touches: what runs there stands still meanwhile. */
  readonly #still = new Set<string>()
  #waiters = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(settings: PreviewsSettings) {
    this.#settings = settings
  }

  /**
   * Starts the dev server of a slot where none runs; others make room. `tell` hears whenever it stands otherwise.
   *
   * @param anew somebody asks for it on purpose: one that has failed is tried again at once
   */
  async open(slot: string, place: PreviewPlace, tell: (standing: PreviewStanding) => void, anew = false): Promise<void> {
    await this.#inTurn(slot, async () => {
      if (this.#closed) throw new PreviewFailed('The service is stopping.')
      const known = this.#running.get(slot)
      if (known !== undefined && JSON.stringify(known.server.place.site) === JSON.stringify(place.site)) {
        known.server.start(anew)
        known.usedAt = performance.now()
        return
      }
      await this.#end(slot)
      await this.#makeRoom(1)
      await endAll(place.slot)
      const server = new DevServer(place, this.#settings, { changed: () => this.#changed(slot), hear: (line) => this.#running.get(slot)?.errors?.hear(line) })
      const files = new SiteFiles(place.workTree, () => this.restart(slot))
      const running: Running = {
        server,
        files,
        errors: undefined,
        usedAt: performance.now(),
        failedAt: undefined,
        wasReady: false,
        open: 0,
        told: '',
        tell,
        telling: new Telling(() => this.#tellNow(slot, running)),
      }
      await files.start()
      // The service may have begun to stop meanwhile.
      if (this.#closed) return files[Symbol.dispose]()
      this.#running.set(slot, running)
      if (this.#still.has(slot) && place.slot.identity.uid !== undefined) server.hold()
      server.start()
    })
    this.#timer ??= setInterval(() => void this.#look().catch(() => {}), LOOK_MS).unref() // told of when its slot is used
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
      if (server === undefined || server.state === 'stopped') throw new PreviewFailed('The preview was stopped meanwhile, for another one or by request.')
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
    // What an edit has mended may be in a file that the configuration reads.
    if (running?.server.state === 'failed') running.server.restart()
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

  /** A page was answered by an error; the next socket is that page's. */
  pageFailed(slot: string): void {
    const running = this.#running.get(slot)
    if (running !== undefined) running.failedAt = performance.now()
  }

  /**
   * What the page of a socket that is being opened has not heard: Vite keeps what is wrong for who comes only where nobody is connected,
   * and we are.
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

  /** Whatever runs in a preview stands still until `goOn`, or is ended: it may write in the work tree, whose files the service is about to touch. */
  async standStill(slot: string): Promise<void> {
    if (this.#still.has(slot)) return
    this.#still.add(slot)
    const server = this.#running.get(slot)?.server
    if (server === undefined || server.place.slot.identity.uid === undefined) return
    server.hold()
    if (!(await haltAll(server.place.slot))) await endAll(server.place.slot)
  }

  /** Never rejects: what cannot be told to go on has ended. */
  goOn(slot: string): void {
    if (!this.#still.delete(slot)) return
    const server = this.#running.get(slot)?.server
    server?.letGo()
    if (server?.place.slot.identity.uid !== undefined) void resumeAll(server.place.slot).catch(() => {})
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
    running.telling[Symbol.dispose]()
    running.errors?.[Symbol.dispose]()
    running.errors = undefined
    await running.server[Symbol.asyncDispose]()
    this.#running.delete(slot)
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
      errors.lookBeside(['/'])
    }
    this.#tell(slot)
  }

  #tell(slot: string): void {
    for (const wake of this.#waiters) wake()
    this.#running.get(slot)?.telling.changed()
  }

  #tellNow(slot: string, running: Running): void {
    const standing = this.standing(slot)
    const said = JSON.stringify(standing)
    if (this.#running.get(slot) !== running || said === running.told) return
    running.told = said
    running.tell(standing)
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
