import type { Database, Row } from './database.ts'

/** How the container of a thread stands, as its repository knows it. */
export interface Thread {
  readonly threadId: string
  /** When it is to be looked at again, in ms since the epoch. */
  readonly nextAt: number
  /** The container that answered last. */
  readonly instance: string | undefined
  /** The last event that was heard of from it. */
  readonly lastEvent: string | undefined
  /** Nothing is to be done since then, in ms since the epoch. */
  readonly idleSince: number | undefined
  /** It has not answered since then. */
  readonly silentSince: number | undefined
  /** The container that was told to stop: what it had not finished is no failed attempt. */
  readonly moved: string | undefined
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
  instance: 'instance',
  lastEvent: 'last_event',
  idleSince: 'idle_since',
  silentSince: 'silent_since',
  moved: 'moved',
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
    nextAt: number('next_at') ?? 0,
    instance: text('instance'),
    lastEvent: text('last_event'),
    idleSince: number('idle_since'),
    silentSince: number('silent_since'),
    moved: text('moved'),
    starts: number('starts') ?? 0,
    fullSince: number('full_since'),
    parked: row['parked'] === 1,
    said: text('said'),
  }
}

/**
 * The threads of a repository, and when each is to be looked at again (`next_at`): then, or as soon as possible where it is 0, or not at all
 * where there is nothing to do.
 */
export class Threads {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  due(at: number): readonly Thread[] {
    return this.#db.rows('SELECT * FROM threads WHERE next_at <= ? ORDER BY next_at', at).map(threadFrom)
  }

  find(threadId: string): Thread | undefined {
    return this.#db.rows('SELECT * FROM threads WHERE thread_id = ?', threadId).map(threadFrom)[0]
  }

  /** All that are to be looked at again. */
  active(): readonly Thread[] {
    return this.#db.rows('SELECT * FROM threads WHERE next_at IS NOT NULL').map(threadFrom)
  }

  change(threadId: string, change: Partial<Omit<Thread, 'threadId' | 'nextAt'>>): void {
    const values: Readonly<Record<string, string | number | boolean | undefined>> = change
    for (const [name, column] of Object.entries(COLUMNS)) {
      if (!Object.hasOwn(values, name)) continue
      const value = values[name]
      this.#db.rows(`UPDATE threads SET ${column} = ? WHERE thread_id = ?`, typeof value === 'boolean' ? Number(value) : (value ?? null), threadId)
    }
  }

  /** It is being looked at: should this object end meanwhile, it is looked at again at `at`. */
  begin(threadId: string, at: number): void {
    this.#db.rows('UPDATE threads SET next_at = ? WHERE thread_id = ?', at, threadId)
  }

  /** It was looked at, and is again at `at`, or never; sooner where something has woken it meanwhile. */
  settle(threadId: string, at: number | undefined): void {
    this.#db.rows('UPDATE threads SET next_at = ? WHERE thread_id = ? AND next_at <> 0', at ?? null, threadId)
  }

  /** Something happened: it is looked at as soon as possible. */
  wake(threadId: string): void {
    this.#db.rows('UPDATE threads SET next_at = 0 WHERE thread_id = ?', threadId)
  }

  /** An object begins where the one before it ended: all are looked at, and what their containers say is heard from the beginning. */
  wakeAll(): void {
    this.#db.rows('UPDATE threads SET next_at = 0, last_event = NULL WHERE next_at IS NOT NULL')
  }
}
