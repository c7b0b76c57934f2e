import type { ThreadKey, WorkspaceKey } from '../command/ids.ts'
import { Interrupted, ShuttingDown } from './reasons.ts'

export interface LaneRules {
  /** Threads of one workspace that may run at once. */
  readonly concurrency: number
  /** Runs of all workspaces at once. */
  readonly maxRuns: number
  /** A run gets this long before it can be interrupted, so that a flood does not starve it. */
  readonly minRunMs: number
  /** Interrupts a minute and workspace; past that, messages queue. */
  readonly interruptsPerMinute: number
}

export interface Place {
  readonly workspace: WorkspaceKey
  readonly thread: ThreadKey
  /** Edits and builds take a lane; what only moves refs does not. */
  readonly needsLane: boolean
}

/** What a place does when its turn has come. Answers how long to wait before it is to have its turn again, if it is. */
export type Begin = (stop: AbortSignal) => Promise<{ readonly againInMs: number } | undefined>

type State = 'arriving' | 'waiting' | 'running'

/** A place in the line of a thread, from before its command is recorded until its turn is over. */
export class Entry {
  readonly place: Place
  readonly order: number
  state: State = 'arriving'
  begin: Begin | undefined
  stop = new AbortController()
  /** When its turn began, or the lane was kept for it; monotonic ms. */
  since = 0
  notBefore = 0
  waking = false
  /** The place that gets the lane when this one ends. */
  successor: Entry | undefined
  constructor(place: Place, order: number) {
    this.place = place
    this.order = order
  }
}

export interface Arrival {
  readonly entry: Entry
  /** Its turn is now: the lane is kept for it. */
  readonly free: boolean
  /** What has to give way to it. */
  readonly inTheWay: Entry | undefined
}

const MINUTE = 60_000
/** Node takes no longer ones. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Who runs, who waits, who is interrupted: the one record of what is running. It decides; it knows nothing of what a run does. */
export class Lanes {
  readonly #rules: LaneRules
  /** Told when the last turn is over. */
  readonly #onIdle: () => void
  /** Those that run: looked through at every arrival, while thousands may wait. */
  readonly #taken = new Set<Entry>()
  readonly #threads = new Map<ThreadKey, Entry[]>()
  readonly #interrupts = new Map<WorkspaceKey, number[]>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #order = 0
  #closed = false
  #idle: (() => void)[] = []

  constructor(rules: LaneRules, onIdle: () => void = () => {}) {
    this.#rules = rules
    this.#onIdle = onIdle
  }

  /**
   * Takes a place at the end of its thread's line, or with `next` behind the one that has its turn, to have its own not before
   * `afterMs`. Follow by `ready` or `leave`.
   */
  arrive(place: Place, interrupts: boolean, { afterMs = 0, next = false }: { readonly afterMs?: number; readonly next?: boolean } = {}): Arrival {
    const line = this.#threads.get(place.thread) ?? []
    const entry = new Entry(place, ++this.#order)
    const free = afterMs === 0 && line.length === 0 && this.#laneFree(place) && !this.#closed
    if (afterMs > 0) entry.notBefore = performance.now() + afterMs
    const inTheWay = interrupts && !free ? this.#inTheWay(place) : undefined
    const at = next ? line.filter(({ state }) => state === 'running').length : line.length
    this.#threads.set(place.thread, line.toSpliced(at, 0, entry))
    if (free) this.#take(entry)
    return { entry, free, inTheWay }
  }

  /** The place's command is recorded: it has its turn now, or waits for it. */
  ready(entry: Entry, begin: Begin): void {
    entry.begin = begin
    if (entry.state === 'running') void this.#run(entry)
    else {
      entry.state = 'waiting'
      this.#pump()
    }
  }

  /** Whether something gives way to a place: what that leaves undone may be handed on to it. */
  isAwaited(entry: Entry): boolean {
    return this.#running().some(({ successor }) => successor === entry)
  }

  /** Whether a place that waits is the next one of its thread. */
  isNext(entry: Entry): boolean {
    return (this.#threads.get(entry.place.thread) ?? []).find(({ state }) => state !== 'running') === entry
  }

  /** Gives a place up that has not begun. */
  leave(entry: Entry): void {
    this.#remove(entry)
    this.#pump()
    this.#tellIdle()
  }

  /** Stops a running place, or one that waits to be tried again, as soon as its least time is over. */
  interrupt(entry: Entry, by: string, successor?: Entry): void {
    entry.successor = successor
    const wait = entry.state === 'running' ? Math.max(0, entry.since + this.#rules.minRunMs - performance.now()) : 0
    const stop = (): void => {
      entry.stop.abort(new Interrupted(by))
      entry.notBefore = 0
      this.#pump()
    }
    if (wait === 0) stop()
    else this.#after(wait, stop)
  }

  /** The place of a thread whose turn it is. */
  running(thread: ThreadKey): Entry | undefined {
    return this.#threads.get(thread)?.find((entry) => entry.state === 'running')
  }

  /** The place of a thread whose turn it is, or that waits to be tried again. */
  current(thread: ThreadKey): Entry | undefined {
    return this.running(thread) ?? this.#threads.get(thread)?.find((entry) => entry.notBefore > 0)
  }

  /** Nobody has or wants this thread's turn. */
  vacant(thread: ThreadKey): boolean {
    return !this.#threads.has(thread)
  }

  /** How many places have their turn, and how many wait. */
  counts(): { readonly running: number; readonly waiting: number } {
    const all = [...this.#threads.values()].flat()
    const running = all.filter((entry) => entry.state === 'running').length
    return { running, waiting: all.length - running }
  }

  /** Begins nothing more, stops what runs, resolves when all of it has ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    for (const entry of this.#running()) entry.stop.abort(new ShuttingDown())
    if (this.#running().length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #running(): readonly Entry[] {
    return [...this.#taken]
  }

  #laneFree({ needsLane, workspace }: Place): boolean {
    if (!needsLane) return true
    const runs = this.#running().filter((entry) => entry.place.needsLane)
    return runs.length < this.#rules.maxRuns && runs.filter((entry) => entry.place.workspace === workspace).length < this.#rules.concurrency
  }

  #inTheWay({ thread, workspace }: Place): Entry | undefined {
    const own = this.#threads.get(thread)?.find((entry) => entry.place.needsLane && (entry.state === 'running' || entry.notBefore > 0))
    const other = this.#rules.concurrency === 1 ? this.#running().find((entry) => entry.place.needsLane && entry.place.workspace === workspace) : undefined
    const found = own ?? other
    return found !== undefined && this.#mayInterrupt(workspace) ? found : undefined
  }

  #mayInterrupt(workspace: WorkspaceKey): boolean {
    const recent = (this.#interrupts.get(workspace) ?? []).filter((at) => at > performance.now() - MINUTE)
    if (recent.length >= this.#rules.interruptsPerMinute) return false
    this.#interrupts.set(workspace, [...recent, performance.now()])
    return true
  }

  #take(entry: Entry): void {
    entry.state = 'running'
    entry.since = performance.now()
    this.#taken.add(entry)
  }

  /** Gives every free lane to whose turn it is: who interrupted its holder first, then in the order of arrival. */
  #pump(): void {
    if (this.#closed) return
    const heads = [...this.#threads.values()].flatMap((line) => line.slice(0, 1)).filter((entry) => entry.state === 'waiting')
    for (const entry of heads.toSorted((a, b) => a.order - b.order)) {
      const wait = entry.notBefore - performance.now()
      if (wait > 0) this.#wake(entry, wait)
      else if (this.#laneFree(entry.place)) {
        this.#take(entry)
        void this.#run(entry)
      }
    }
  }

  #wake(entry: Entry, ms: number): void {
    if (entry.waking) return
    entry.waking = true
    this.#after(ms, () => {
      entry.waking = false
      this.#pump()
    })
  }

  async #run(entry: Entry): Promise<void> {
    const again = await entry.begin?.(entry.stop.signal)
    if (again === undefined) this.#remove(entry)
    else {
      entry.state = 'waiting'
      this.#taken.delete(entry)
      entry.notBefore = performance.now() + again.againInMs
    }
    const next = entry.successor
    if (next !== undefined && next.state === 'waiting' && this.#threads.get(next.place.thread)?.[0] === next && this.#laneFree(next.place) && !this.#closed) {
      this.#take(next)
      void this.#run(next)
    }
    this.#pump()
    this.#tellIdle()
  }

  #tellIdle(): void {
    if (this.#running().length > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
    this.#onIdle()
  }

  #remove(entry: Entry): void {
    this.#taken.delete(entry)
    const left = (this.#threads.get(entry.place.thread) ?? []).filter((each) => each !== entry)
    if (left.length === 0) this.#threads.delete(entry.place.thread)
    else this.#threads.set(entry.place.thread, left)
  }

  #after(ms: number, then: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        then()
      },
      Math.min(ms, LONGEST_TIMER_MS),
    ) // whoever waits looks at the clock again then
    this.#timers.add(timer)
  }
}
