import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Prepares each statement once; preparing costs more than running most of them. */
export class Statements {
  readonly database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const made = this.database.prepare(sql)
    this.#prepared.set(sql, made)
    return made
  }
}
