import type { Database, Row } from './database.ts'

/** How the container of a thread stands, as its repository knows it. */
export interface Thread {
  readonly threadId: string
  /** A slot is held, so a container may run. */
  readonly held: boolean
  /** The container that answered last. */
  readonly instance: string | undefined
  /** The last event that was heard of from it. */
  readonly lastEvent: string | undefined
  /** Nothing is to be done since then, in ms since the epoch. */
  readonly idleSince: number | undefined
  /** It has not answered since then. */
  readonly silentSince: number | undefined
  /** Starts that failed, one after the other. */
  readonly starts: number
  /** The platform has had no container free since then. */
  readonly fullSince: number | undefined
  /** Nothing more is expected of the thread. */
  readonly parked: boolean
  /** What its comment says of the wait. */
  readonly said: string | undefined
}

const COLUMNS = {
  held: 'held',
  instance: 'instance',
  lastEvent: 'last_event',
  idleSince: 'idle_since',
  silentSince: 'silent_since',
  starts: 'starts',
  fullSince: 'full_since',
  parked: 'parked',
  said: 'said',
} as const

const threadFrom = (row: Row): Thread => {
  const text = (name: string): string | undefined => (typeof row[name] === 'string' ? row[name] : undefined)
  const number = (name: string): number | undefined => (typeof row[name] === 'number' ? row[name] : undefined)
  return {
    threadId: String(row['thread_id']),
    held: row['held'] === 1,
    instance: text('instance'),
    lastEvent: text('last_event'),
    idleSince: number('idle_since'),
    silentSince: number('silent_since'),
    starts: number('starts') ?? 0,
    fullSince: number('full_since'),
    parked: row['parked'] === 1,
    said: text('said'),
  }
}

/** The threads of a repository, and when each is to be looked at again. */
export class Threads {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  due(at: number): readonly Thread[] {
    return this.#db.rows('SELECT * FROM threads WHERE next_at <= ? ORDER BY next_at', at).map(threadFrom)
  }

  /** When one is to be looked at next. */
  dueAt(): number | undefined {
    const [row] = this.#db.rows('SELECT min(next_at) AS at FROM threads')
    return typeof row?.['at'] === 'number' ? row['at'] : undefined
  }

  find(threadId: string): Thread | undefined {
    return this.#db.rows('SELECT * FROM threads WHERE thread_id = ?', threadId).map(threadFrom)[0]
  }

  /** All that hold a slot, or have something to do. */
  active(): readonly Thread[] {
    return this.#db.rows('SELECT * FROM threads WHERE held = 1 OR next_at IS NOT NULL').map(threadFrom)
  }

  change(threadId: string, change: Partial<Omit<Thread, 'threadId'>>): void {
    const values: Readonly<Record<string, string | number | boolean | undefined>> = change
    for (const [name, column] of Object.entries(COLUMNS)) {
      if (!Object.hasOwn(values, name)) continue
      const value = values[name]
      this.#db.rows(`UPDATE threads SET ${column} = ? WHERE thread_id = ?`, typeof value === 'boolean' ? Number(value) : (value ?? null), threadId)
    }
  }

  /** It is looked at again then; never without `at`. */
  next(threadId: string, at: number | undefined): void {
    this.#db.rows('UPDATE threads SET next_at = ? WHERE thread_id = ?', at ?? null, threadId)
  }

  /** All that are to be looked at at some time are looked at soon. */
  wakeAll(): void {
    this.#db.rows('UPDATE threads SET next_at = 0 WHERE next_at IS NOT NULL')
  }

  /** It is looked at soon, because something happened. */
  wake(threadId: string): void {
    this.#db.rows('UPDATE threads SET next_at = 0 WHERE thread_id = ?', threadId)
  }
}
