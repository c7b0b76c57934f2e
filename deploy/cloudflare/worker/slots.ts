import { DurableObject } from 'cloudflare:workers'
import type { Row } from './database.ts'
import { readSettings } from './settings.ts'
import { complain } from './tools.ts'

/** Who holds a slot or waits for one says so again within that time; a container of somebody who does not is stopped. */
const SILENT_MS = 90_000

export interface Place {
  readonly held: boolean
  /** How many wait before this one. */
  readonly ahead: number
  /** Another one waits, and it is this one that nothing is done with. */
  readonly wanted: boolean
}

/**
 * Hands out the right to run a container: at most MAX_CONTAINERS at once, first come, first served, because the platform refuses what is
 * over its limit and has no line. There is one. A ticket is `{repository id}/{thread id}`.
 */
export class SlotsObject extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS line (n INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL UNIQUE, held INTEGER NOT NULL DEFAULT 0, idle_since INTEGER NOT NULL DEFAULT 0, seen_at INTEGER NOT NULL)`,
    )
    void ctx.blockConcurrencyWhile(() => this.#arm())
  }

  /** Takes a place in the line, or says again that it is wanted. */
  async ask(ticket: string): Promise<Place> {
    this.#sql(
      'INSERT INTO line (ticket, seen_at) VALUES (?, ?) ON CONFLICT (ticket) DO UPDATE SET seen_at = excluded.seen_at, idle_since = 0',
      ticket,
      Date.now(),
    )
    await this.#handOut(ticket)
    await this.#arm()
    return this.#placeOf(ticket)
  }

  /** Nothing is done with it at the moment; whoever holds it is rung when another one waits. One that is not held is none. */
  async idle(ticket: string): Promise<Place> {
    this.#sql('UPDATE line SET seen_at = ?, idle_since = CASE idle_since WHEN 0 THEN ? ELSE idle_since END WHERE ticket = ?', Date.now(), Date.now(), ticket)
    return this.#placeOf(ticket)
  }

  /** The container is gone: the next one in the line may have one. */
  async release(ticket: string): Promise<void> {
    this.#sql('DELETE FROM line WHERE ticket = ?', ticket)
    await this.#handOut()
  }

  async counts(): Promise<{ readonly held: number; readonly waiting: number }> {
    return { held: this.#count('held = 1'), waiting: this.#count('held = 0') }
  }

  override async alarm(): Promise<void> {
    try {
      await this.#dropSilent()
      await this.#handOut()
    } catch (error) {
      complain(this.env, 'slots.failed', { object: 'slots' }, error)
    } finally {
      await this.#arm()
    }
  }

  #placeOf(ticket: string): Place {
    const [row] = this.#sql('SELECT n, held FROM line WHERE ticket = ?', ticket)
    const held = row?.['held'] === 1
    return { held, ahead: held ? 0 : this.#count(`held = 0 AND n < ${Number(row?.['n'] ?? 0)}`), wanted: this.#wanted().includes(ticket) }
  }

  /**
   * Free slots go to those who wait longest; each is marked as holder before it is woken, so that no slot is handed out twice. Where none is
   * free, those who do nothing with theirs are asked for it.
   */
  async #handOut(asking?: string): Promise<void> {
    const free = readSettings(this.env).MAX_CONTAINERS - this.#count('held = 1')
    const next = this.#sql('SELECT ticket FROM line WHERE held = 0 ORDER BY n LIMIT ?', Math.max(0, free)).map(({ ticket }) => String(ticket))
    for (const ticket of next) this.#sql('UPDATE line SET held = 1, idle_since = 0, seen_at = ? WHERE ticket = ?', Date.now(), ticket)
    await Promise.all([...next, ...this.#wanted()].filter((ticket) => ticket !== asking).map((ticket) => this.#ring(ticket)))
  }

  /** Those of whom their slot is wanted: as many as wait, of those who do nothing with theirs the longest. */
  #wanted = (): readonly string[] =>
    this.#sql('SELECT ticket FROM line WHERE held = 1 AND idle_since > 0 ORDER BY idle_since LIMIT ?', this.#count('held = 0')).map(({ ticket }) =>
      String(ticket),
    )

  async #ring(ticket: string): Promise<void> {
    const [repository = '', ...thread] = ticket.split('/')
    await this.env.REPOSITORY.getByName(repository)
      .ring(thread.join('/'))
      .catch(() => {}) // it asks again by itself
  }

  async #dropSilent(): Promise<void> {
    const before = Date.now() - SILENT_MS
    for (const { ticket, held } of this.#sql('SELECT ticket, held FROM line WHERE seen_at < ?', before)) {
      try {
        if (held === 1) await this.env.CONTAINER.getByName(String(ticket)).stop()
        this.#sql('DELETE FROM line WHERE ticket = ? AND seen_at < ?', String(ticket), before)
      } catch (error) {
        complain(this.env, 'slots.not_stopped', { object: 'slots', ticket: String(ticket) }, error) // with the next alarm
      }
    }
  }

  /** As long as anybody stands in the line. */
  async #arm(): Promise<void> {
    if (this.#count('1 = 1') > 0 && (await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + SILENT_MS / 3)
  }

  #count = (where: string): number => Number(this.#sql(`SELECT count(*) AS n FROM line WHERE ${where}`)[0]?.['n'])
  #sql = (query: string, ...values: (string | number)[]): readonly Row[] =>
    this.ctx.storage.sql.exec<Record<string, string | number | null>>(query, ...values).toArray()
}
