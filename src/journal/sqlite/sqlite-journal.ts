import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import type { Spent, Usage } from '../../command/spending.ts'
import { addCheckpoints } from './checkpoints.ts'
import { end, finish, steeredInto } from './end.ts'
import { ensureThread, reserveSpare } from './spares.ts'
import { dayCosts, foldForgotten, spend, spent } from './spending.ts'
import { COMMAND, THREAD, threadValues, WORKSPACE, workspaceValues } from './keys.ts'
import { lockFolder, WorkspaceHeld } from '../folder-lock.ts'
import { takeLease, Tenure } from '../lease.ts'
import {
  Fenced,
  type Acceptance,
  type Accepted,
  type Answer,
  type CommandRecord,
  type CommandRef,
  type Delivery,
  type Ended,
  type EndOptions,
  type Journal,
  type Requeue,
  type Saving,
  type Spare,
  type ThreadChange,
  type ThreadRecord,
} from '../journal.ts'
import { accept, find, keyOf, markInterrupted } from './accept.ts'
import { openDatabase, placeOf } from './database.ts'
import { checkpointFrom, commandFrom, deliveryFrom, spareFrom, threadFrom } from './rows.ts'
import { leaseIn, thisMachine } from './lease-store.ts'
import { Statements } from './statements.ts'
import { Writer, type Place } from './writer.ts'

/** Where the journal is shared with other machines, how long one that is not heard of is waited for; 0 on one machine. */
export interface Sharing {
  readonly ttlMs: number
  /** Tells machines apart. */
  readonly machine?: string
}

/**
 * The journal in `{folder}/journal.sqlite`, and the lease of that folder, held until it is disposed of.
 *
 * @throws WorkspaceHeld, JournalTooNew, JournalDamaged, JournalMissing, JournalUnreadable
 */
export async function openSqliteJournal(folder: string, { ttlMs, machine = thisMachine() }: Sharing = { ttlMs: 0 }): Promise<Journal> {
  await using parts = new AsyncDisposableStack()
  const lock = parts.use(lockFolder(folder))
  const path = join(folder, 'journal.sqlite')
  const database = parts.adopt(openDatabase(path, ttlMs > 0), (open) => open.close())
  const store = leaseIn(database)
  const taken = await takeLease(store, { owner: machine, ttlMs })
  if (typeof taken !== 'number') throw new WorkspaceHeld(folder, `on another machine, ${taken.owner}`)
  parts.move()
  return new SqliteJournal(database, new Tenure(store, taken, ttlMs), lock, placeOf(path))
}

class SqliteJournal implements Journal {
  readonly epoch: number
  readonly #database: DatabaseSync
  readonly #statements: Statements
  readonly #writer: Writer
  readonly #tenure: Tenure
  readonly #lock: Disposable

  constructor(database: DatabaseSync, tenure: Tenure, lock: Disposable, place: Place) {
    this.#database = database
    this.#statements = new Statements(database)
    this.epoch = tenure.epoch
    this.#tenure = tenure
    this.#lock = lock
    this.#writer = new Writer(this.#statements, tenure, place)
  }

  get lost(): AbortSignal {
    return this.#tenure.lost
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#database.isOpen) return
    this.#writer.flush()
    await this.#tenure[Symbol.asyncDispose]()
    this.#database.close()
    this.#lock[Symbol.dispose]()
  }

  accept(acceptance: Acceptance): Promise<Accepted> {
    return this.#writer.write<Accepted>(() => accept(this.#statements, acceptance, (of, result) => finish(this.#statements, of, result)), { outcome: 'lost' })
  }

  async writable(): Promise<boolean> {
    if (!this.#writer.failing && this.#writer.inPlace) return true
    const probe = (): Answer => {
      this.#run("INSERT INTO outbox (event_id, way, client_id, user_id, project_id, result, due_at) VALUES ('probe', '', '', '', '', hex(zeroblob(16000)), 0)")
      return this.#run("DELETE FROM outbox WHERE event_id = 'probe'")
    }
    return this.#writer.write<Answer>(probe, 'lost').then(
      (answer) => answer === 'done',
      () => false,
    )
  }

  begin(of: CommandRef, at: number): Promise<CommandRecord | undefined> {
    return this.#writer.write<CommandRecord | undefined>(() => {
      const begun = this.#run(
        `UPDATE commands SET state = 'running', attempt = attempt + 1, begun_at = ? WHERE ${COMMAND} AND state = 'queued'`,
        at,
        ...keyOf(of),
      )
      return begun === 'done' ? find(this.#statements, of) : undefined
    }, undefined)
  }

  interrupt(of: CommandRef, by: string): Promise<Answer> {
    return this.#writer.write<Answer>(() => (markInterrupted(this.#statements, of, by) ? 'done' : 'lost'), 'lost')
  }

  saving(of: CommandRef, saving: Saving): Promise<Answer> {
    return this.#writer.write<Answer>(
      () => this.#run(`UPDATE commands SET state = 'saving', saving = ? WHERE ${COMMAND} AND state = 'running'`, JSON.stringify(saving), ...keyOf(of)),
      'lost',
    )
  }

  end(of: CommandRef, result: Result, options: EndOptions = {}): Promise<Ended> {
    return this.#writer.write<Ended>(() => end(this.#statements, of, result, options), { outcome: 'lost' })
  }

  requeue(of: CommandRef, { counted, crashed, note, at }: Requeue): Promise<Answer> {
    return this.#writer.write<Answer>(() => {
      const record = find(this.#statements, of)
      if (record === undefined || (record.state !== 'running' && record.state !== 'saving')) return 'lost'
      addCheckpoints(this.#statements, record, at)
      return this.#run(
        `UPDATE commands SET state = 'queued', saving = NULL, note = ?, attempt = attempt - ?, crashes = crashes + ? WHERE ${COMMAND}`,
        JSON.stringify(note),
        counted ? 0 : 1,
        crashed ? 1 : 0,
        ...keyOf(of),
      )
    }, 'lost')
  }

  openThread(ref: ThreadRef, at: number): Promise<ThreadRecord> {
    return this.#writer
      .write(() => {
        ensureThread(this.#statements, ref, at)
        return this.#thread(ref)
      }, undefined)
      .then((record) => {
        if (record === undefined) throw new Fenced()
        return record
      })
  }

  spend(of: CommandRef, day: string, usage: Usage): Promise<Spent> {
    return this.#writer.write(() => spend(this.#statements, of, day, usage), { command: 0, thread: 0, day: 0 })
  }

  async spent(of: CommandRef, day: string) {
    return spent(this.#statements, of, day)
  }

  async dayCosts(of: Pick<WorkspaceId, 'clientId' | 'userId'>, limit: number) {
    return dayCosts(this.#statements, of, limit)
  }

  async steeredInto(of: CommandRef) {
    return steeredInto(this.#statements, of)
  }

  async reserveSpare(workspace: WorkspaceId): Promise<Spare> {
    const spare = await this.#writer.write(() => reserveSpare(this.#statements, workspace), undefined)
    if (spare === undefined) throw new Fenced()
    return spare
  }

  spareReady(workspace: WorkspaceId, laidOut: string | undefined): Promise<Answer> {
    const set = `UPDATE spares SET laid_out = ? WHERE ${WORKSPACE}`
    return this.#writer.write<Answer>(() => this.#run(set, laidOut ?? null, ...workspaceValues(workspace)), 'lost')
  }

  async spares(): Promise<readonly Spare[]> {
    return this.#all('SELECT * FROM spares ORDER BY slot_number').map(spareFrom)
  }

  updateThread(ref: ThreadRef, { base, said }: ThreadChange): Promise<Answer> {
    const set = `UPDATE threads SET base = coalesce(?, base), said = coalesce(?, said) WHERE ${THREAD}`
    return this.#writer.write<Answer>(() => this.#run(set, base ?? null, said ?? null, ...threadValues(ref)), 'lost')
  }

  async nameFor(scope: string, id: string): Promise<string> {
    const known = this.#statements.prepare('SELECT name FROM names WHERE scope = ? AND id = ?').get(scope, id)
    if (known !== undefined) return String(known['name'])
    const beside = `${id}+${createHash('sha256').update(id).digest('hex').slice(0, 8)}`
    return this.#writer.write(() => {
      const taken = this.#statements.prepare('SELECT 1 FROM names WHERE scope = ? AND folded = ?').get(scope, id.toLowerCase()) !== undefined
      const name = taken ? beside : id
      this.#run('INSERT INTO names (scope, id, name, folded) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING', scope, id, name, name.toLowerCase())
      return String(this.#statements.prepare('SELECT name FROM names WHERE scope = ? AND id = ?').get(scope, id)?.['name'])
    }, beside)
  }

  forget(before: number, limit: number): Promise<number> {
    const waits =
      'SELECT 1 FROM outbox WHERE outbox.client_id = commands.client_id AND outbox.user_id = commands.user_id AND outbox.project_id = commands.project_id'
    return this.#writer.write<number>(() => {
      const { changes } = this.#statements
        .prepare(
          `DELETE FROM commands WHERE seq IN (SELECT seq FROM commands WHERE state = 'ended' AND ended_at < ?
             AND NOT EXISTS (${waits} AND json_extract(outbox.result, '$.commandId') = commands.command_id) ORDER BY ended_at LIMIT ?)`,
        )
        .run(before, limit)
      foldForgotten(this.#statements)
      return Number(changes)
    }, 0)
  }

  async outboxDue(at: number, limit: number): Promise<readonly Delivery[]> {
    return this.#all('SELECT * FROM outbox WHERE due_at <= ? ORDER BY rowid LIMIT ?', at, limit).map(deliveryFrom)
  }

  async outboxSent(eventId: string): Promise<void> {
    await this.#writer.write<Answer>(() => this.#run('DELETE FROM outbox WHERE event_id = ?', eventId), 'lost')
  }

  async outboxRefused(eventId: string, at: number): Promise<void> {
    await this.#writer.write<Answer>(() => this.#run('UPDATE outbox SET tries = tries + 1, due_at = ? WHERE event_id = ?', at, eventId), 'lost')
  }

  async command(of: CommandRef): Promise<CommandRecord | undefined> {
    return find(this.#statements, of)
  }

  async commandsCalled(commandId: string): Promise<readonly CommandRecord[]> {
    return this.#all('SELECT * FROM commands WHERE command_id = ? LIMIT 100', commandId).map(commandFrom)
  }

  async unfinished(): Promise<readonly CommandRecord[]> {
    return this.#all("SELECT * FROM commands WHERE state <> 'ended' ORDER BY seq").map(commandFrom)
  }

  async history(ref: ThreadRef, { limit, after }: { limit: number; after?: number | undefined }): Promise<readonly CommandRecord[]> {
    return this.#all(
      `SELECT * FROM commands WHERE ${THREAD} AND seq < ? ORDER BY seq DESC LIMIT ?`,
      ...threadValues(ref),
      after ?? Number.MAX_SAFE_INTEGER,
      limit,
    ).map(commandFrom)
  }

  async thread(ref: ThreadRef): Promise<ThreadRecord | undefined> {
    return this.#thread(ref)
  }

  async threads(of: WorkspaceId, { limit, after }: { limit: number; after?: number | undefined }): Promise<readonly ThreadRecord[]> {
    return this.#all(
      `SELECT * FROM threads WHERE ${WORKSPACE} ORDER BY last_active_at DESC, slot_number DESC LIMIT ? OFFSET ?`,
      ...workspaceValues(of),
      limit,
      after ?? 0,
    ).map(threadFrom)
  }

  async everyThread(): Promise<readonly ThreadRecord[]> {
    return this.#all('SELECT * FROM threads ORDER BY slot_number').map(threadFrom)
  }

  async checkpoints(ref: ThreadRef) {
    return this.#all(`SELECT * FROM checkpoints WHERE ${THREAD} ORDER BY n`, ...threadValues(ref)).map(checkpointFrom)
  }

  #run(sql: string, ...values: SQLInputValue[]): Answer {
    return this.#statements.prepare(sql).run(...values).changes === 0 ? 'lost' : 'done'
  }

  #all(sql: string, ...values: SQLInputValue[]) {
    return this.#statements.prepare(sql).all(...values)
  }

  #thread(ref: ThreadRef): ThreadRecord | undefined {
    const row = this.#statements.prepare(`SELECT * FROM threads WHERE ${THREAD}`).get(...threadValues(ref))
    return row === undefined ? undefined : threadFrom(row)
  }
}
