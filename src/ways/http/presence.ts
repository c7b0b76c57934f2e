import { threadKey, type ThreadKey, type ThreadRef } from '../../command/ids.ts'
import type { Caller } from './access.ts'

export interface Present {
  readonly name: string
  readonly role: Caller['role']
}

/** Hands on who is there, as JSON; resolves when it has been written. */
type Hear = (people: string) => Promise<void>

interface Watcher {
  readonly person: Present
  readonly hear: Hear
  /** It is being told something, and what it is to be told after that. */
  busy: boolean
  next: string | undefined
}

/** Comings and goings within this time are told together. */
const TOGETHER_MS = 100
/** More names than anybody reads are not told. */
const MAX_NAMES = 50

/** Who watches which thread just now; each who does hears of the others. Nothing of it is kept, and who reads slowly hears the latest alone. */
export class Presence {
  readonly #threads = new Map<ThreadKey, Set<Watcher>>()
  readonly #telling = new Set<ThreadKey>()

  /** Somebody begins to watch, until this is disposed of. */
  enter(ref: ThreadRef, { name, role }: Caller, hear: Hear): Disposable {
    const key = threadKey(ref)
    const here = this.#threads.get(key) ?? new Set<Watcher>()
    const watcher: Watcher = { person: { name, role }, hear, busy: false, next: undefined }
    this.#threads.set(key, here.add(watcher))
    this.#tellSoon(key)
    return {
      [Symbol.dispose]: () => {
        here.delete(watcher)
        if (here.size === 0) this.#threads.delete(key)
        else this.#tellSoon(key)
      },
    }
  }

  #tellSoon(key: ThreadKey): void {
    if (this.#telling.has(key)) return
    this.#telling.add(key)
    setTimeout(() => {
      this.#telling.delete(key)
      const here = [...(this.#threads.get(key) ?? [])]
      const people = JSON.stringify({ type: 'presence', people: here.slice(0, MAX_NAMES).map(({ person }) => person) })
      for (const watcher of here) void tell(watcher, people)
    }, TOGETHER_MS).unref()
  }
}

async function tell(watcher: Watcher, people: string): Promise<void> {
  watcher.next = people
  if (watcher.busy) return
  watcher.busy = true
  while (watcher.next !== undefined) {
    const now = watcher.next
    watcher.next = undefined
    await watcher.hear(now).catch(() => {}) // its stream ends, and with it this
  }
  watcher.busy = false
}
