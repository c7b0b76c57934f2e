import * as z from 'zod'
import { commandHash, type Carried, type Command } from '../../../src/command/command.ts'
import type { JobReport } from '../../../src/command/job.ts'
import type { Result } from '../../../src/command/result.ts'
import { mayTakeAlong, takenAlong, withWishes } from '../../../src/command/superseded.ts'
import type { Reply } from '../../../src/journal/journal.ts'
import type { HandedIn } from '../../../src/ways/github/desk.ts'
import type { Database } from './database.ts'
import type { Deliveries } from './deliveries.ts'
import { bounded } from './report.ts'
import type { Sessions } from './sessions.ts'
import { jobFrom, StoredResult, type StoredJob } from './stored-job.ts'

/** Ended ones are known for so long: their ids may be used again then. */
const KEPT_MS = 365 * 24 * 60 * 60_000
/** Text that one message takes along, in UTF-16 code units; with more it waits for its turn, because a row may be 2 MB. */
const MAX_CARRIED = 300_000
const Strings = z.array(z.string())

/** The commands of a repository, until each has its result. A method is one whole transaction. */
export class JobStore {
  readonly #db: Database
  readonly #deliveries: Deliveries
  readonly #sessions: Sessions
  constructor(db: Database, deliveries: Deliveries, sessions: Sessions) {
    this.#db = db
    this.#deliveries = deliveries
    this.#sessions = sessions
  }

  find(commandId: string): StoredJob | undefined {
    return this.#db.rows('SELECT * FROM jobs WHERE command_id = ?', commandId).map(jobFrom)[0]
  }

  /** Newest first. */
  history(threadId: string, limit: number): readonly StoredJob[] {
    return this.#db.rows('SELECT * FROM jobs WHERE thread_id = ? ORDER BY seq DESC LIMIT ?', threadId, limit).map(jobFrom)
  }

  /** Those of a thread that have no result yet, in the order of acceptance. */
  open(threadId: string): readonly StoredJob[] {
    return this.#db.rows(`SELECT * FROM jobs WHERE thread_id = ? AND state <> 'ended' ORDER BY seq`, threadId).map(jobFrom)
  }

  everyOpen(): readonly StoredJob[] {
    return this.#db.rows(`SELECT * FROM jobs WHERE state <> 'ended' ORDER BY seq`).map(jobFrom)
  }

  /** Merges that ended after the last push of a thread: what they did is in a container alone. */
  unpushed(threadId: string): readonly StoredJob[] {
    return this.#db
      .rows(
        `SELECT * FROM jobs WHERE thread_id = ? AND state = 'ended' AND type = 'merge' AND pushed IS NULL AND json_extract(result, '$.conflicts') IS NOT NULL
           AND seq > coalesce((SELECT max(seq) FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL), 0) ORDER BY seq`,
        threadId,
        threadId,
      )
      .map(jobFrom)
  }

  /** Records a command. A queued edit of its thread ends in the same transaction, its text taken along; a push is done already. */
  async accept(command: Command, reply: Reply, at: number): Promise<HandedIn> {
    const hash = await commandHash(command)
    return this.#db.together((): HandedIn => {
      const [row] = this.#db.rows('SELECT * FROM jobs WHERE command_id = ?', command.commandId)
      if (row !== undefined && row['hash'] !== hash) return { kind: 'conflict' }
      if (row !== undefined) return { kind: 'duplicate', record: this.#alsoAnswer(jobFrom(row), reply, at) }
      const before = this.open(command.threadId).at(-1)
      const carried = before === undefined ? [] : [...before.carried, before.command]
      const isTaken = before !== undefined && before.instance === undefined && mayTakeAlong(command, before) && lengthOf(carried) <= MAX_CARRIED
      this.#db.rows(
        'INSERT INTO jobs (command_id, thread_id, type, hash, command, carried, replies, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        command.commandId,
        command.threadId,
        command.type,
        hash,
        JSON.stringify(isTaken ? withWishes(command, before.command) : command),
        JSON.stringify(isTaken ? carried.map(textOf) : []),
        JSON.stringify([reply]),
        at,
      )
      this.#db.rows('INSERT INTO threads (thread_id) VALUES (?) ON CONFLICT DO NOTHING', command.threadId)
      this.#db.rows('UPDATE threads SET parked = 0, next_at = 0 WHERE thread_id = ?', command.threadId)
      if (isTaken) this.#end(before, takenAlong(command.commandId, before.command, at), at)
      const mine = this.find(command.commandId)
      if (mine !== undefined && command.type === 'push') this.#end(mine, this.#pushOf(command), at)
      return { kind: 'accepted', record: { state: command.type === 'push' ? 'ended' : 'queued' } }
    })
  }

  /**
   * It is about to be handed to a container: from here on no other command takes it along. Answers whether it is wanted still.
   *
   * @param counted it is an offer of its own: not where the container before was only moved
   */
  offered({ command }: StoredJob, instance: string, counted: boolean): boolean {
    const [open] = this.#db.rows(`SELECT instance FROM jobs WHERE command_id = ? AND state <> 'ended'`, command.commandId)
    if (open === undefined || open['instance'] === instance) return open !== undefined
    this.#db.rows(
      'UPDATE jobs SET instance = ?, given_at = NULL, offers = offers + ?, cost_before = cost_before + cost_here, cost_here = 0 WHERE command_id = ?',
      instance,
      Number(counted),
      command.commandId,
    )
    return true
  }

  /** The container has it. @param counted it is an attempt: not where the container before was only moved */
  given({ command }: StoredJob, at: number, counted: boolean): void {
    this.#db.rows(
      `UPDATE jobs SET state = 'running', attempt = attempt + ?, given_at = ? WHERE command_id = ? AND state <> 'ended'`,
      Number(counted),
      at,
      command.commandId,
    )
  }

  /** Something of this thread was given to this container before. */
  hasGiven(threadId: string, instance: string): boolean {
    return this.#db.rows('SELECT 1 FROM jobs WHERE thread_id = ? AND instance = ? AND given_at IS NOT NULL LIMIT 1', threadId, instance).length > 0
  }

  costs(commandId: string, threadId: string, costUsd: number): void {
    this.#db.rows(`UPDATE jobs SET cost_here = max(cost_here, ?) WHERE command_id = ? AND thread_id = ? AND state <> 'ended'`, costUsd, commandId, threadId)
  }

  /** What was spent on a thread, and in the repository since a moment. */
  spent(threadId: string, since: number): { readonly thread: number; readonly day: number } {
    const sum = (where: string, value: string | number): number =>
      Number(this.#db.rows(`SELECT coalesce(sum(cost_before + cost_here), 0) AS usd FROM jobs WHERE ${where}`, value)[0]?.['usd'])
    return { thread: sum('thread_id = ?', threadId), day: sum(`(state <> 'ended' OR ended_at >= ?)`, since) }
  }

  /** The result, its delivery, what was pushed and where the conversation stands, all at once. */
  end(job: StoredJob, report: JobReport, at: number): void {
    const { result, pushed, push, files, subjects, unresolved, session } = bounded(report)
    const { commandId, sessionId, threadId } = job.command
    this.#db.together(() => {
      const [open] = this.#db.rows(
        `UPDATE jobs SET pushed = ?, push = ?, files = ?, subjects = ?, unresolved = ?, cost_here = max(cost_here, ?)
           WHERE command_id = ? AND state <> 'ended' RETURNING seq`,
        pushed ?? null,
        push === undefined ? null : JSON.stringify(push),
        JSON.stringify(files),
        JSON.stringify(subjects),
        JSON.stringify(unresolved),
        result.costUsd ?? 0,
        commandId,
      )
      if (open === undefined) return
      if (session !== undefined) this.#sessions.keep(threadId, session, at)
      this.#end(job, { ...result, commandId, sessionId, attempt: job.attempt }, at)
    })
  }

  /** What the branch of a thread has since it began, as its last container found it. */
  changes(threadId: string): { readonly files: readonly string[]; readonly subjects: readonly string[] } {
    const [row] = this.#db.rows('SELECT files, subjects FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL ORDER BY seq DESC LIMIT 1', threadId)
    const read = (name: string): readonly string[] => Strings.parse(JSON.parse(String(row?.[name] ?? '[]')))
    return { files: read('files'), subjects: read('subjects') }
  }

  /** The commit that origin has of a thread. */
  tip(threadId: string): string | undefined {
    const [row] = this.#db.rows('SELECT pushed FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL ORDER BY seq DESC LIMIT 1', threadId)
    return row === undefined ? undefined : String(row['pushed'])
  }

  forget(): void {
    this.#db.rows(
      `DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = 'ended' AND ended_at < ?
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.command_id = jobs.command_id) ORDER BY seq LIMIT 5000)`,
      Date.now() - KEPT_MS,
    )
  }

  #end({ command, replies }: StoredJob, result: Result, at: number): void {
    const [ended] = this.#db.rows(
      `UPDATE jobs SET state = 'ended', result = ?, ended_at = ? WHERE command_id = ? AND state <> 'ended' RETURNING seq`,
      JSON.stringify(result),
      at,
      command.commandId,
    )
    if (ended === undefined) return
    for (const { to } of replies) this.#deliveries.put(command, to, result, at)
  }

  /** The same command by another message: that one is answered too. */
  #alsoAnswer(job: StoredJob, reply: Reply, at: number): Pick<StoredJob, 'state'> {
    if (job.replies.some(({ id }) => id === reply.id)) return job
    this.#db.rows('UPDATE jobs SET replies = ? WHERE command_id = ?', JSON.stringify([...job.replies, reply]), job.command.commandId)
    if (job.result !== undefined) this.#deliveries.put(job.command, reply.to, job.result, at)
    return job
  }

  /** What a container did was pushed when it ended; where that could not be done, it said why. */
  #pushOf({ commandId, sessionId, threadId }: Command): Result {
    const [row] = this.#db.rows('SELECT push FROM jobs WHERE command_id = ?', commandId.replace(/-push$/, ''))
    const about = { sessionId, commandId, timestamp: Date.now(), branch: `thread-${threadId}` }
    if (typeof row?.['push'] === 'string') return { ...StoredResult.parse(JSON.parse(row['push'])), ...about }
    return { ...about, success: true, summary: `Pushed to thread-${threadId}`, pushed: true }
  }
}

const lengthOf = (texts: readonly Carried[]): number => texts.reduce((sum, { instruction }) => sum + instruction.length, 0)
const textOf = ({ commandId, instruction, attachments }: Carried): Carried => ({ commandId, instruction, attachments })
