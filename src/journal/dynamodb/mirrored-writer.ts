import { Fenced, NotRecorded } from '../journal.ts'
import { messageOf } from '../../observe/text.ts'
import type { Tenure } from '../lease.ts'
import type { Statements } from '../sqlite/statements.ts'
import type { Writer } from '../sqlite/writer.ts'
import { filesOf, itemOf, sortKeyOf, TABLES, type TableName } from './items.ts'
import { MAX_CHANGES, type Change, type Table } from './table.ts'
import type { Values } from './values.ts'

interface Waiting {
  readonly work: (statements: Statements) => unknown
  readonly lost: unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * Writes to a table of DynamoDB what each transaction changes in a database that is only a copy of it, and commits it there when the
 * table has it. Transactions that arrive together go together, in one request. What is read meanwhile is what was durable before.
 */
export class MirroredWriter implements Writer {
  readonly #statements: Statements
  readonly #table: Table
  readonly #values: Values
  readonly #tenure: Tenure
  /** Files that rows have beside the table, by the sort keys of their items. */
  readonly #files: Map<string, readonly string[]>
  #waiting: Waiting[] = []
  #working: Promise<void> | undefined
  #failing = false

  constructor(statements: Statements, table: Table, values: Values, tenure: Tenure, files: Map<string, readonly string[]>) {
    this.#statements = statements
    this.#table = table
    this.#values = values
    this.#tenure = tenure
    this.#files = files
    watchChanges(statements)
  }

  get sound(): boolean {
    return !this.#failing
  }

  write<Value>(work: (statements: Statements) => Value, lost: Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ work, lost, resolve, reject })
      this.#working ??= this.#work()
    })
  }

  async close(): Promise<void> {
    await this.#working
  }

  async #work(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)) // what comes together goes together
    while (this.#waiting.length > 0) await this.#batch()
    this.#working = undefined
  }

  async #batch(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    if (!this.#tenure.holds()) return tellLost(batch)
    const run = (sql: string): unknown => this.#statements.prepare(sql).run()
    let [taken, durable]: [readonly Waiting[], boolean] = [batch, false]
    try {
      run('BEGIN IMMEDIATE')
      const answers = this.#apply(batch)
      taken = batch.slice(0, answers.length)
      const changes = await this.#changes()
      const written = changes.length === 0 ? 'done' : await this.#table.write(changes, this.#tenure)
      if (written === 'lost') {
        run('ROLLBACK')
        return tellLost(taken)
      }
      durable = changes.length > 0
      run('DELETE FROM changed')
      run('COMMIT')
      this.#failing = false
      for (const answer of answers) answer()
      await this.#dropReplaced(changes).catch(() => {}) // the next start removes what nothing names
    } catch (error) {
      if (this.#statements.database.isTransaction) run('ROLLBACK')
      this.#failing = true
      if (!durable) return tellRejected(taken, error instanceof NotRecorded ? error : new NotRecorded(error))
      // The table has it and the copy has not: what is read here would be false from now on.
      this.#tenure.overtaken(new Fenced(`the copy of the journal on this machine cannot be written (${messageOf(error)})`))
      tellLost(taken)
    }
  }

  /** As many as one request takes, and one at least; the rest waits on. */
  #apply(batch: readonly Waiting[]): readonly (() => void)[] {
    const run = (sql: string): unknown => this.#statements.prepare(sql).run()
    const answers: (() => void)[] = []
    for (const { work, resolve, reject } of batch) {
      run('SAVEPOINT one')
      try {
        const value = work(this.#statements)
        if (answers.length > 0 && this.#changeCount() > MAX_CHANGES) {
          run('ROLLBACK TO one')
          run('RELEASE one')
          break
        }
        answers.push(() => resolve(value as never)) // oxlint-disable-line typescript/no-unsafe-type-assertion -- `write` ties the value to its promise
      } catch (error) {
        if (!this.#statements.database.isTransaction) throw error // the disk is full or broken: the whole batch is gone
        run('ROLLBACK TO one')
        answers.push(() => reject(error))
      }
      run('RELEASE one')
    }
    this.#waiting.unshift(...batch.slice(answers.length))
    return answers
  }

  #changeCount(): number {
    return Number(this.#statements.prepare('SELECT count(*) AS count FROM changed').get()?.['count'])
  }

  async #changes(): Promise<readonly Change[]> {
    const changed = this.#statements.prepare('SELECT name, id FROM changed').all()
    return Promise.all(
      changed.map(async ({ name, id }): Promise<Change> => {
        const [table, rowid] = [tableNamed(name), Number(id)]
        const row = this.#statements.prepare(`SELECT * FROM ${table} WHERE rowid = ?`).get(rowid)
        return row === undefined ? { remove: sortKeyOf(table, rowid) } : { put: await itemOf(this.#table.key, table, rowid, row, this.#values) }
      }),
    )
  }

  async #dropReplaced(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      const [sk, files] = 'put' in change ? [change.put['sk']?.S ?? '', filesOf(change.put)] : [change.remove, []]
      await this.#values.drop(this.#files.get(sk) ?? [])
      if (files.length > 0) this.#files.set(sk, files)
      else this.#files.delete(sk)
    }
  }
}

function tellLost(batch: readonly Waiting[]): void {
  for (const { lost, resolve } of batch) resolve(lost as never) // oxlint-disable-line typescript/no-unsafe-type-assertion -- `write` ties the value to its promise
}

function tellRejected(batch: readonly Waiting[], error: Error): void {
  for (const { reject } of batch) reject(error)
}

function tableNamed(name: unknown): TableName {
  const table = TABLES.find((each) => each === name)
  if (table === undefined) throw new Error(`there is no table ${String(name)}`)
  return table
}

/** Which rows a transaction changes, in a table of this connection alone that is rolled back with it. */
function watchChanges({ database }: Statements): void {
  database.exec('CREATE TEMP TABLE changed (name TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (name, id)) STRICT')
  for (const table of TABLES) {
    for (const [event, row] of [
      ['INSERT', 'NEW'],
      ['UPDATE', 'NEW'],
      ['DELETE', 'OLD'],
    ] as const) {
      database.exec(
        `CREATE TEMP TRIGGER ${table}_${event.toLowerCase()} AFTER ${event} ON main.${table}
           BEGIN INSERT INTO changed VALUES ('${table}', ${row}.rowid) ON CONFLICT DO NOTHING; END`,
      )
    }
  }
}
