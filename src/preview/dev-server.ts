import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../observe/text.ts'
import { endAll, type Slot } from '../process/end-all.ts'
import type { Sandbox } from '../process/sandbox.ts'
import { measure, secondsSince } from '../observe/measure.ts'
import { start, type Child } from '../process/start.ts'
import { SLOT_VARIABLE } from '../process/table.ts'
import type { AstroLaunch } from './launch-astro.ts'
import { freePort, isAnothers } from './port.ts'
import { Output, type OutputLine } from './output.ts'
import { portArguments, type Site } from './site.ts'

/** Everything that the dev server of one thread is started with. */
export interface PreviewPlace {
  /** The preview's own user and mark, beside those of the agent. */
  readonly slot: Slot
  readonly workTree: string
  /** HOME, temporary files and caches; the preview's own. */
  readonly folder: string
  readonly site: Site
}

export interface DevServerSettings {
  /** `npm-cli.js`. */
  readonly npm: string
  readonly path: string
  /** Proxies and certificates. */
  readonly env: Readonly<Record<string, string>>
  readonly sandbox: Sandbox
  /** Before the first start anew after one that failed; doubled for each more. */
  readonly backOffMs: number
}

/** `failed`: it ended again and again; it is tried anew when it is asked for, or when its site changes. */
export type ServerState = 'starting' | 'ready' | 'failed' | 'stopped'

/** A preview cannot be shown; the message says why, for a person. */
export class PreviewFailed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PreviewFailed'
  }
}

/** Before one that has failed is tried anew because somebody asks for it. */
const AGAIN_MS = 30_000
const LONGEST_BACK_OFF_MS = 30_000
/** What does not start twice in a row will not a third time, until its site is another. */
const MAX_FAILURES = 2
/** One that has answered for so long has not failed when it ends. */
const STEADY_MS = 20_000
const READY_MS = 120_000
/** What a first page may take; it is asked for again then. */
const FIRST_PAGE_MS = 60_000
const LOOK_MS = 50
/** How long a server may take to put away what it holds. */
const GRACE_MS = 2000
const SHOWN_LINES = 20
/** Of output that is read in one go, in UTF-16 code units. */
const OUTPUT_LENGTH = 64 * 1024
const OUTPUT_PAUSE_MS = 250

/** One dev server, started anew whenever it ends, until it is stopped. */
export class DevServer implements AsyncDisposable {
  readonly place: PreviewPlace
  readonly output: Output
  readonly #settings: DevServerSettings
  readonly #changed: () => void
  readonly #stop = new AbortController()
  #round = new AbortController()
  #supervising: Promise<void> | undefined
  #state: ServerState = 'stopped'
  #startedAt = 0
  #port = 0
  /** Something has answered at the port: what is printed from here on is no address any more. */
  #answered = false
  #failures = 0
  #failedAt = 0
  #readyAt: number | undefined
  #held: PromiseWithResolvers<void> | undefined

  /** @param changed is called whenever the state has changed */
  constructor(
    place: PreviewPlace,
    settings: DevServerSettings,
    { changed, hear }: { readonly changed: () => void; readonly hear: (line: OutputLine) => void },
  ) {
    this.place = place
    this.#settings = settings
    this.#changed = changed
    this.output = new Output((line) => {
      this.#hearPort(line.message)
      hear(line)
    })
  }

  get state(): ServerState {
    return this.#state
  }

  /** Where it listens on loopback, once it is ready. */
  get port(): number {
    return this.#port
  }

  /** Its last words, for a person. */
  get lastWords(): string {
    return this.output.last(SHOWN_LINES).join('\n')
  }

  /** @param anew one that has failed is tried again at once */
  start(anew = false): void {
    if (this.#supervising === undefined) {
      this.#set('starting')
      this.#supervising = this.#supervise()
    } else if (this.#state === 'failed' && (anew || performance.now() - this.#failedAt > AGAIN_MS)) this.restart()
  }

  /** Ends the process and starts another. */
  restart(): void {
    this.#failures = 0
    if (!this.#stop.signal.aborted) this.#set('starting')
    this.#round.abort()
  }

  /** Starts no process until `letGo`. */
  hold(): void {
    this.#held ??= Promise.withResolvers()
  }

  letGo(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.letGo()
    await this.#supervising
    this.#set('stopped')
  }

  async #supervise(): Promise<void> {
    const { signal: stop } = this.#stop
    while (!stop.aborted) {
      this.#round = new AbortController()
      const over = AbortSignal.any([stop, this.#round.signal])
      this.#readyAt = undefined
      await this.#live(over).catch((error: unknown) => this.output.add(`${messageOf(error)}\n`))
      if (over.aborted) continue
      const steady = this.#readyAt !== undefined && performance.now() - this.#readyAt > STEADY_MS
      this.#failures = steady ? 1 : this.#failures + 1
      const failed = this.#failures >= MAX_FAILURES
      if (failed) this.#failedAt = performance.now()
      this.#set(failed ? 'failed' : 'starting')
      const wait = failed
        ? once(over, 'abort')
        : delay(Math.min(LONGEST_BACK_OFF_MS, this.#settings.backOffMs * 2 ** (this.#failures - 1)), undefined, { signal: over })
      await Promise.resolve(wait).catch(() => {}) // it is stopped, or started anew at once
    }
  }

  /** One process, from its start to its end. */
  async #live(over: AbortSignal): Promise<void> {
    this.#port = await freePort()
    while (this.#held !== undefined) await this.#held.promise
    if (over.aborted) return
    this.output.clear()
    this.#answered = false
    const child = this.#spawn()
    const exited = once(child, 'exit') // rejects where it could not be started
    exited.catch(() => {})
    const ended = new AbortController()
    try {
      const answers = this.#answers(AbortSignal.any([over, ended.signal]))
      answers.catch(() => {}) // the race hears it
      await Promise.race([exited, answers])
      if (over.aborted || child.exitCode !== null || child.signalCode !== null) return
      this.#readyAt = performance.now()
      this.#set('ready')
      await Promise.race([exited, once(over, 'abort')])
    } finally {
      ended.abort()
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        child.kill('SIGTERM')
        await Promise.race([exited, delay(GRACE_MS, undefined, { ref: false })]).catch(() => {})
      }
      await endAll(this.place.slot)
    }
  }

  #spawn(): Child {
    const { workTree, folder, slot } = this.place
    const { sandbox, path, env } = this.#settings
    const [program, programArgs] = this.#program()
    const readable = this.place.site.kind === 'built' ? [LAUNCHERS, PACKAGES, this.place.site.folder] : [LAUNCHERS]
    const [file, args] = sandbox.command({ cwd: workTree, writable: [workTree, folder], readable }, program, programArgs)
    const child = start(file, args, {
      cwd: workTree,
      as: slot.identity,
      umask: 0o007,
      contained: true,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...env,
        PATH: path,
        HOME: folder,
        TMPDIR: `${folder}/tmp`,
        LANG: 'C.UTF-8',
        PORT: String(this.#port),
        HOST: '127.0.0.1',
        BROWSER: 'none',
        ASTRO_TELEMETRY_DISABLED: '1',
        ASTRO_DISABLE_UPDATE_CHECK: '1',
        NEXT_TELEMETRY_DISABLED: '1',
        [SLOT_VARIABLE]: slot.slot,
      },
    })
    for (const stream of [child.stdout, child.stderr]) {
      let heard = 0
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output.add(chunk)
        heard += chunk.length
        if (heard < OUTPUT_LENGTH) return
        // Whoever writes without end waits, and nobody else does.
        heard = 0
        stream.pause()
        setTimeout(() => stream.resume(), OUTPUT_PAUSE_MS).unref()
      })
    }
    return child
  }

  #program(): readonly [file: string, args: readonly string[]] {
    const { site, workTree, folder } = this.place
    switch (site.kind) {
      case 'astro': {
        const launch: AstroLaunch = { root: workTree, port: this.#port, cache: `${folder}/cache` }
        return [process.execPath, [launcher('launch-astro'), JSON.stringify(launch)]]
      }
      case 'script': {
        const more = portArguments(site.script, this.#port)
        return [process.execPath, [this.#settings.npm, 'run', 'dev', '--silent', ...(more.length === 0 ? [] : ['--', ...more])]]
      }
      case 'built':
        return [process.execPath, [launcher('serve-built'), site.folder, String(this.#port)]]
    }
  }

  /** A dev script that cannot be told its port may choose one of its own, and says which. */
  #hearPort(message: string): void {
    const { site } = this.place
    if (site.kind !== 'script' || this.#state !== 'starting' || this.#answered || portArguments(site.script, 0).length > 0) return
    const port = /https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):(\d{2,5})/.exec(message)?.[1]
    if (port !== undefined) this.#port = Number(port)
  }

  /** Resolves when the first page has been answered, with whatever; rejects in time. */
  async #answers(over: AbortSignal): Promise<void> {
    const deadline = performance.now() + READY_MS
    while (!over.aborted) {
      if (performance.now() > deadline) throw new PreviewFailed(`it answered nothing within ${READY_MS / 1000} seconds`)
      const port = this.#port
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        redirect: 'manual',
        signal: AbortSignal.any([over, AbortSignal.timeout(FIRST_PAGE_MS)]),
      }).catch(() => undefined)
      if (answer === undefined) await delay(LOOK_MS)
      else {
        this.#answered = true
        await answer.body?.cancel()
        if (await isAnothers(port, this.place.slot.identity)) throw new PreviewFailed(`port ${port} is another program's`)
        this.#port = port
        return
      }
    }
  }

  #set(state: ServerState): void {
    if (this.#state === state) return
    this.#state = state
    if (state === 'starting') this.#startedAt = performance.now()
    else if (state === 'ready') measure('preview_start_seconds', secondsSince(this.#startedAt), {})
    this.#changed()
  }
}

/** The folder of the programs that are started beside the service. */
const LAUNCHERS = fileURLToPath(new URL('.', import.meta.url))
/** What `serve-built` is made of. */
const PACKAGES = dirname(fileURLToPath(import.meta.resolve('hono'))).replace(/(?<=\/node_modules)\/.*$/, '')
const launcher = (name: string): string => fileURLToPath(new URL(`${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
