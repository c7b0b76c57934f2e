import { NotRecorded } from '../journal.ts'
import type { Tenure } from '../lease.ts'
import type { DatabaseSync } from 'node:sqlite'
import type { Statements } from './statements.ts'

/** How the transactions of a journal become durable. */
export interface Writer {
  /** Runs `work` as one transaction, which is durable when this resolves; `lost` where the journal has a newer owner. */
  write<Value>(work: (statements: Statements) => Value, lost: Value): Promise<Value>
  /** What was written last is durable, and where the next start will look for it. */
  readonly sound: boolean
  /** Writes what waits, and ends. */
  close(): Promise<void>
}

/** Throws where the file that is written to is not the one that the next start would find. */
export interface Place {
  check(): void
}

interface Waiting {
  readonly work: (statements: Statements) => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes to the file of the database itself.
 *
 * Transactions that arrive together share one commit, and so one fsync, which is what a durable write costs.
 * Each stays whole by itself: one that throws is rolled back to its own beginning. None is answered before the commit.
 */
export class FileWriter implements Writer {
  readonly #statements: Statements
  readonly #database: DatabaseSync
  readonly #tenure: Tenure
  readonly #place: Place
  #waiting: Waiting[] = []
  #scheduled: NodeJS.Immediate | undefined
  #failing = false

  constructor(statements: Statements, tenure: Tenure, place: Place) {
    this.#statements = statements
    this.#database = statements.database
    this.#tenure = tenure
    this.#place = place
  }

  get sound(): boolean {
    if (this.#failing) return false
    try {
      this.#place.check()
      return true
    } catch {
      return false
    }
  }

  write<Value>(work: (statements: Statements) => Value, lost: Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ work: (statements) => (this.#owned() ? work(statements) : lost), resolve, reject })
      this.#scheduled ??= setImmediate(() => this.#flush())
    })
  }

  async close(): Promise<void> {
    this.#flush()
  }

  #owned(): boolean {
    if (!this.#tenure.holds()) return false
    const owned = this.#statements.prepare("SELECT value FROM meta WHERE key = 'epoch'").get()?.['value'] === this.#tenure.epoch
    if (!owned) this.#tenure.overtaken()
    return owned
  }

  #flush(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length === 0) return
    const answers: (() => void)[] = []
    try {
      this.#place.check()
      this.#statements.prepare('BEGIN IMMEDIATE').run()
      for (const each of batch) answers.push(this.#one(each))
      this.#statements.prepare('COMMIT').run()
    } catch (error) {
      if (this.#database.isTransaction) this.#statements.prepare('ROLLBACK').run()
      this.#failing = true
      for (const { reject } of batch) reject(new NotRecorded(error))
      return
    }
    this.#failing = false
    for (const answer of answers) answer()
  }

  #one({ work, resolve, reject }: Waiting): () => void {
    this.#statements.prepare('SAVEPOINT one').run()
    try {
      const value = work(this.#statements)
      this.#statements.prepare('RELEASE one').run()
      return () => resolve(value as never) // oxlint-disable-line typescript/no-unsafe-type-assertion -- `write` ties the value to its promise
    } catch (error) {
      if (!this.#database.isTransaction) throw error // the disk is full or broken: the whole batch is gone
      this.#statements.prepare('ROLLBACK TO one').run()
      this.#statements.prepare('RELEASE one').run()
      return () => reject(error)
    }
  }
}
