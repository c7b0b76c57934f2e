import type { DatabaseSync } from 'node:sqlite'
import type { Statements } from './statements.ts'

interface Waiting {
  readonly work: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * Transactions that arrive together share one commit, and so one fsync, which is what a durable write costs.
 * Each stays whole by itself: one that throws is rolled back to its own beginning. None is answered before the commit.
 */
export class Writer {
  readonly #statements: Statements
  readonly #database: DatabaseSync
  readonly #epoch: number
  #waiting: Waiting[] = []
  #scheduled: NodeJS.Immediate | undefined

  constructor(statements: Statements, epoch: number) {
    this.#statements = statements
    this.#database = statements.database
    this.#epoch = epoch
  }

  /** Runs `work` as one transaction; `lost` where the journal has a newer owner. */
  write<Value>(work: () => Value, lost: Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ work: () => (this.#owned() ? work() : lost), resolve, reject })
      this.#scheduled ??= setImmediate(() => this.flush())
    })
  }

  #owned(): boolean {
    return this.#statements.prepare("SELECT value FROM meta WHERE key = 'epoch'").get()?.['value'] === this.#epoch
  }

  /** Commits what waits. */
  flush(): void {
    clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length === 0) return
    const answers: (() => void)[] = []
    try {
      this.#statements.prepare('BEGIN IMMEDIATE').run()
      for (const each of batch) answers.push(this.#one(each))
      this.#statements.prepare('COMMIT').run()
    } catch (error) {
      if (this.#database.isTransaction) this.#statements.prepare('ROLLBACK').run()
      for (const { reject } of batch) reject(error)
      return
    }
    for (const answer of answers) answer()
  }

  #one({ work, resolve, reject }: Waiting): () => void {
    this.#statements.prepare('SAVEPOINT one').run()
    try {
      const value = work()
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
