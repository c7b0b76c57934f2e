import { createHash } from 'node:crypto'
import type { SQLInputValue } from 'node:sqlite'
import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import type { Spent, Usage } from '../../command/spending.ts'
import { addCheckpoints } from './checkpoints.ts'
import { end, finish, steeredInto } from './end.ts'
import { SqliteInbox, SqliteMemos } from './inbox.ts'
import { bury, outboxDue } from './outbox.ts'
import { ensureThread, reserveSpare } from './spares.ts'
import { dayCosts, foldForgotten, spend, spent } from './spending.ts'
import { COMMAND, THREAD, threadValues, WORKSPACE, workspaceValues } from './keys.ts'
import type { Tenure } from '../lease.ts'
import {
  Fenced,
  type Acceptance,
  type Accepted,
  type Answer,
  type BuriedLetter,
  type CommandRecord,
  type CommandRef,
  type DeadLetter,
  type Delivery,
  type Ended,
  type EndOptions,
  type Journal,
  type Page,
  type Refused,
  type Requeue,
  type Saving,
  type Spare,
  type ThreadChange,
  type ThreadRecord,
} from '../journal.ts'
import { accept, find, keyOf, markInterrupted } from './accept.ts'
import { checkpointFrom, commandFrom, letterFrom, spareFrom, threadFrom } from './rows.ts'
import type { Statements } from './statements.ts'
import type { Writer } from './writer.ts'

/** What a journal is made of. */
export interface Parts {
  /** What is read: all that is durable, and nothing else. */
  readonly reading: Statements
  readonly writer: Writer
  readonly tenure: Tenure
  /** What is closed when nothing is written any more. */
  readonly rest: AsyncDisposable
}

/** A journal whose records are rows of SQLite. How they become durable is its writer's to say. */
export class SqliteJournal implements Journal {
  readonly epoch: number
  readonly inbox: SqliteInbox
  readonly memos: SqliteMemos
  readonly #reading: Statements
  readonly #writer: Writer
  readonly #tenure: Tenure
  readonly #rest: AsyncDisposable

  constructor({ reading, writer, tenure, rest }: Parts) {
    this.#reading = reading
    this.epoch = tenure.epoch
    this.#tenure = tenure
    this.#writer = writer
    this.#rest = rest
    this.inbox = new SqliteInbox(reading, writer)
    this.memos = new SqliteMemos(reading, writer)
  }

  get lost(): AbortSignal {
    return this.#tenure.lost
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#reading.database.isOpen) return
    await this.#writer.close()
    await this.#rest[Symbol.asyncDispose]()
  }

  accept(acceptance: Acceptance): Promise<Accepted> {
    return this.#writer.write<Accepted>((statements) => accept(statements, acceptance, (of, result) => finish(statements, of, result)), { outcome: 'lost' })
  }

  async writable(): Promise<boolean> {
    if (this.#writer.sound) return true
    const probe = (statements: Statements): Answer => {
      run(
        statements,
        "INSERT INTO outbox (event_id, way, client_id, user_id, project_id, result, due_at) VALUES ('probe', '', '', '', '', hex(zeroblob(16000)), 0)",
      )
      return run(statements, "DELETE FROM outbox WHERE event_id = 'probe'")
    }
    return this.#writer.write<Answer>(probe, 'lost').then(
      (answer) => answer === 'done',
      () => false,
    )
  }

  begin(of: CommandRef, at: number): Promise<CommandRecord | undefined> {
    return this.#writer.write<CommandRecord | undefined>((statements) => {
      const begun = run(
        statements,
        `UPDATE commands SET state = 'running', attempt = attempt + 1, begun_at = ? WHERE ${COMMAND} AND state = 'queued'`,
        at,
        ...keyOf(of),
      )
      return begun === 'done' ? find(statements, of) : undefined
    }, undefined)
  }

  interrupt(of: CommandRef, by: string): Promise<Answer> {
    return this.#writer.write<Answer>((statements) => (markInterrupted(statements, of, by) ? 'done' : 'lost'), 'lost')
  }

  saving(of: CommandRef, saving: Saving): Promise<Answer> {
    return this.#writer.write<Answer>(
      (statements) =>
        run(statements, `UPDATE commands SET state = 'saving', saving = ? WHERE ${COMMAND} AND state = 'running'`, JSON.stringify(saving), ...keyOf(of)),
      'lost',
    )
  }

  end(of: CommandRef, result: Result, options: EndOptions = {}): Promise<Ended> {
    return this.#writer.write<Ended>((statements) => end(statements, of, result, options), { outcome: 'lost' })
  }

  requeue(of: CommandRef, { counted, crashed, note, at }: Requeue): Promise<Answer> {
    return this.#writer.write<Answer>((statements) => {
      const record = find(statements, of)
      if (record === undefined || (record.state !== 'running' && record.state !== 'saving')) return 'lost'
      addCheckpoints(statements, record, at)
      return run(
        statements,
        `UPDATE commands SET state = 'queued', saving = NULL, note = ?, attempt = attempt - ?, crashes = crashes + ? WHERE ${COMMAND}`,
        JSON.stringify(note),
        counted ? 0 : 1,
        crashed ? 1 : 0,
        ...keyOf(of),
      )
    }, 'lost')
  }

  async openThread(ref: ThreadRef, at: number): Promise<ThreadRecord> {
    const open = (statements: Statements): ThreadRecord | undefined => {
      ensureThread(statements, ref, at)
      return findThread(statements, ref)
    }
    const record = await this.#writer.write(open, undefined)
    if (record === undefined) throw new Fenced()
    return record
  }

  spend(of: CommandRef, day: string, usage: Usage): Promise<Spent> {
    return this.#writer.write((statements) => spend(statements, of, day, usage), { command: 0, thread: 0, day: 0 })
  }

  async spent(of: CommandRef, day: string) {
    return spent(this.#reading, of, day)
  }

  async dayCosts(of: Pick<WorkspaceId, 'clientId' | 'userId'>, limit: number) {
    return dayCosts(this.#reading, of, limit)
  }

  async steeredInto(of: CommandRef) {
    return steeredInto(this.#reading, of)
  }

  async reserveSpare(workspace: WorkspaceId): Promise<Spare> {
    const spare = await this.#writer.write((statements) => reserveSpare(statements, workspace), undefined)
    if (spare === undefined) throw new Fenced()
    return spare
  }

  spareReady(workspace: WorkspaceId, laidOut: string | undefined): Promise<Answer> {
    const set = `UPDATE spares SET laid_out = ? WHERE ${WORKSPACE}`
    return this.#writer.write<Answer>((statements) => run(statements, set, laidOut ?? null, ...workspaceValues(workspace)), 'lost')
  }

  async spares(): Promise<readonly Spare[]> {
    return this.#all('SELECT * FROM spares ORDER BY slot_number').map(spareFrom)
  }

  updateThread(ref: ThreadRef, { base, sessionId, said }: ThreadChange): Promise<Answer> {
    const set = `UPDATE threads SET base = coalesce(?, base), session_id = coalesce(?, session_id), said = coalesce(?, said) WHERE ${THREAD}`
    return this.#writer.write<Answer>((statements) => run(statements, set, base ?? null, sessionId ?? null, said ?? null, ...threadValues(ref)), 'lost')
  }

  async nameFor(scope: string, id: string): Promise<string> {
    const known = this.#reading.prepare('SELECT name FROM names WHERE scope = ? AND id = ?').get(scope, id)
    if (known !== undefined) return String(known['name'])
    const beside = `${id}+${createHash('sha256').update(id).digest('hex').slice(0, 8)}`
    return this.#writer.write((statements) => {
      const taken = statements.prepare('SELECT 1 FROM names WHERE scope = ? AND folded = ?').get(scope, id.toLowerCase()) !== undefined
      const name = taken ? beside : id
      run(statements, 'INSERT INTO names (scope, id, name, folded) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING', scope, id, name, name.toLowerCase())
      return String(statements.prepare('SELECT name FROM names WHERE scope = ? AND id = ?').get(scope, id)?.['name'])
    }, beside)
  }

  forget(before: number, limit: number): Promise<number> {
    const waits =
      'SELECT 1 FROM outbox WHERE outbox.client_id = commands.client_id AND outbox.user_id = commands.user_id AND outbox.project_id = commands.project_id'
    return this.#writer.write<number>((statements) => {
      const { changes } = statements
        .prepare(
          `DELETE FROM commands WHERE seq IN (SELECT seq FROM commands WHERE state = 'ended' AND ended_at < ?
             AND NOT EXISTS (${waits} AND json_extract(outbox.result, '$.commandId') = commands.command_id) ORDER BY ended_at LIMIT ?)`,
        )
        .run(before, limit)
      foldForgotten(statements)
      return Number(changes)
    }, 0)
  }

  async outboxDue(at: number, limit: number): Promise<readonly Delivery[]> {
    return outboxDue(this.#reading, at, limit)
  }

  async outboxSize(): Promise<number> {
    return Number(this.#reading.prepare('SELECT count(*) AS size FROM outbox').get()?.['size'])
  }

  async outboxSent(eventId: string): Promise<void> {
    await this.#writer.write<Answer>((statements) => run(statements, 'DELETE FROM outbox WHERE event_id = ?', eventId), 'lost')
  }

  async outboxRefused(eventId: string, at: number): Promise<void> {
    await this.#writer.write<Answer>((statements) => run(statements, 'UPDATE outbox SET tries = tries + 1, due_at = ? WHERE event_id = ?', at, eventId), 'lost')
  }

  async bury(letter: DeadLetter, refused?: Refused): Promise<void> {
    const buried = await this.#writer.write<Answer>((statements) => (bury(statements, letter, refused), 'done'), 'lost')
    if (buried === 'lost') throw new Fenced()
  }

  async deadLetters({ limit, after }: Page): Promise<readonly BuriedLetter[]> {
    return this.#all('SELECT * FROM dead_letters WHERE n > ? ORDER BY n LIMIT ?', after ?? 0, limit).map(letterFrom)
  }

  unbury(n: number): Promise<Answer> {
    return this.#writer.write<Answer>((statements) => run(statements, 'DELETE FROM dead_letters WHERE n = ?', n), 'lost')
  }

  async command(of: CommandRef): Promise<CommandRecord | undefined> {
    return find(this.#reading, of)
  }

  async commandsCalled(commandId: string): Promise<readonly CommandRecord[]> {
    return this.#all('SELECT * FROM commands WHERE command_id = ? LIMIT 100', commandId).map(commandFrom)
  }

  async unfinished(): Promise<readonly CommandRecord[]> {
    return this.#all("SELECT * FROM commands WHERE state <> 'ended' ORDER BY seq").map(commandFrom)
  }

  async history(ref: ThreadRef, { limit, after }: Page): Promise<readonly CommandRecord[]> {
    return this.#all(
      `SELECT * FROM commands WHERE ${THREAD} AND seq < ? ORDER BY seq DESC LIMIT ?`,
      ...threadValues(ref),
      after ?? Number.MAX_SAFE_INTEGER,
      limit,
    ).map(commandFrom)
  }

  async thread(ref: ThreadRef): Promise<ThreadRecord | undefined> {
    return findThread(this.#reading, ref)
  }

  async threads(of: WorkspaceId, { limit, after }: Page): Promise<readonly ThreadRecord[]> {
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

  #all(sql: string, ...values: SQLInputValue[]) {
    return this.#reading.prepare(sql).all(...values)
  }
}

function findThread(statements: Statements, ref: ThreadRef): ThreadRecord | undefined {
  const row = statements.prepare(`SELECT * FROM threads WHERE ${THREAD}`).get(...threadValues(ref))
  return row === undefined ? undefined : threadFrom(row)
}

const run = (statements: Statements, sql: string, ...values: SQLInputValue[]): Answer =>
  statements.prepare(sql).run(...values).changes === 0 ? 'lost' : 'done'
