import * as z from 'zod'
import { Attachment, commandHash, type Carried, type Command } from '../../../src/command/command.ts'
import { CommandId } from '../../../src/command/ids.ts'
import { JobCommand, type JobReport, type Session } from '../../../src/command/job.ts'
import { Result } from '../../../src/command/result.ts'
import { takenAlong } from '../../../src/command/superseded.ts'
import type { Delivery, Reply } from '../../../src/journal/journal.ts'
import type { HandedIn, Known } from '../../../src/ways/github/desk.ts'
import type { Database, Row } from './database.ts'

/** Ended ones are known for so long: their ids may be used again then. */
const KEPT_MS = 365 * 24 * 60 * 60_000
/** A value may be 2 MB; a conversation is kept in pieces of so many characters. */
const PIECE = 1_000_000

const KeptCommand = JobCommand.extend({ type: z.enum(['edit', 'merge', 'push']) })
const Texts = z.array(z.object({ commandId: CommandId, instruction: z.string(), attachments: z.array(Attachment) }))
const Replies = z.array(z.object({ way: z.literal('github'), from: z.string(), to: z.string(), id: z.string() }))

/** A command that a container carries out. */
export interface Job extends Known {
  readonly command: Command
  readonly seq: number
  readonly state: 'queued' | 'running' | 'ended'
  readonly attempt: number
  /** The container that was given it. */
  readonly instance: string | undefined
  readonly givenAt: number | undefined
  readonly carried: readonly Carried[]
  readonly replies: readonly Reply[]
  /** What former attempts have cost, and this one. */
  readonly costUsd: number
  readonly pushed: string | undefined
  readonly subjects: readonly string[]
  readonly unresolved: readonly string[]
}

const columns = (row: Row): Job => {
  const text = (name: string): string | undefined => (typeof row[name] === 'string' ? row[name] : undefined)
  const json = (name: string): unknown => JSON.parse(text(name) ?? 'null')
  return {
    command: KeptCommand.parse(json('command')),
    seq: Number(row['seq']),
    state: z.enum(['queued', 'running', 'ended']).parse(row['state']),
    attempt: Number(row['attempt']),
    instance: text('instance'),
    givenAt: typeof row['given_at'] === 'number' ? row['given_at'] : undefined,
    carried: Texts.parse(json('carried')),
    replies: Replies.parse(json('replies')),
    costUsd: Number(row['cost_before']) + Number(row['cost_here']),
    result: text('result') === undefined ? undefined : Result.parse(json('result')),
    pushed: text('pushed'),
    subjects: z.array(z.string()).parse(json('subjects')),
    unresolved: z.array(z.string()).parse(json('unresolved')),
  }
}

/** The commands of a repository, until each has its result and the result has arrived. A method is one whole transaction. */
export class Jobs {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  find(commandId: string): Job | undefined {
    return this.#db.rows('SELECT * FROM jobs WHERE command_id = ?', commandId).map(columns)[0]
  }

  /** Newest first. */
  history(threadId: string, limit: number): readonly Job[] {
    return this.#db.rows('SELECT * FROM jobs WHERE thread_id = ? ORDER BY seq DESC LIMIT ?', threadId, limit).map(columns)
  }

  /** Those of a thread that have no result yet, in the order of acceptance. */
  open(threadId: string): readonly Job[] {
    return this.#db.rows(`SELECT * FROM jobs WHERE thread_id = ? AND state <> 'ended' ORDER BY seq`, threadId).map(columns)
  }

  everyOpen(): readonly Job[] {
    return this.#db.rows(`SELECT * FROM jobs WHERE state <> 'ended' ORDER BY seq`).map(columns)
  }

  /** Merges that ended after the last push of a thread: what they did is in a container alone. */
  unpushed(threadId: string): readonly Job[] {
    return this.#db
      .rows(
        `SELECT * FROM jobs WHERE thread_id = ? AND state = 'ended' AND type = 'merge' AND pushed IS NULL AND json_extract(result, '$.conflicts') IS NOT NULL
           AND seq > coalesce((SELECT max(seq) FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL), 0) ORDER BY seq`,
        threadId,
        threadId,
      )
      .map(columns)
  }

  /** Records a command. A queued edit of its thread ends in the same transaction, its text taken along; a push is done already. */
  async accept(command: Command, reply: Reply, at: number): Promise<HandedIn> {
    const hash = await commandHash(command)
    return this.#db.together((): HandedIn => {
      const [row] = this.#db.rows('SELECT * FROM jobs WHERE command_id = ?', command.commandId)
      if (row !== undefined && row['hash'] !== hash) return { kind: 'conflict' }
      if (row !== undefined) return { kind: 'duplicate', record: this.#alsoAnswer(columns(row), reply, at) }
      const before = this.open(command.threadId).at(-1)
      const superseded = before !== undefined && supersedes(command, before) ? before : undefined
      const carried = superseded === undefined ? [] : [...superseded.carried, superseded.command]
      this.#db.rows(
        'INSERT INTO jobs (command_id, thread_id, type, hash, command, carried, replies, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        command.commandId,
        command.threadId,
        command.type,
        hash,
        JSON.stringify(command),
        JSON.stringify(carried.map(textOf)),
        JSON.stringify([reply]),
        at,
      )
      this.#db.rows('INSERT INTO threads (thread_id) VALUES (?) ON CONFLICT DO NOTHING', command.threadId)
      this.#db.rows('UPDATE threads SET parked = 0, next_at = ? WHERE thread_id = ?', at, command.threadId)
      if (superseded !== undefined) this.#end(superseded, takenAlong(command.commandId, superseded.command, at), at)
      const mine = this.find(command.commandId)
      if (mine !== undefined && command.type === 'push') this.#end(mine, this.#pushOf(command), at)
      return { kind: 'accepted', record: { state: command.type === 'push' ? 'ended' : 'queued' } }
    })
  }

  /** It is with a container from here on, which is an attempt. */
  given({ command }: Job, instance: string, at: number): void {
    this.#db.rows(
      `UPDATE jobs SET state = 'running', attempt = attempt + 1, instance = ?, given_at = ?, begun_at = coalesce(begun_at, ?),
         cost_before = cost_before + cost_here, cost_here = 0 WHERE command_id = ? AND state <> 'ended'`,
      instance,
      at,
      at,
      command.commandId,
    )
  }

  /** It was given to the same container once more. */
  givenAgain({ command }: Job, at: number): void {
    this.#db.rows('UPDATE jobs SET given_at = ? WHERE command_id = ?', at, command.commandId)
  }

  costs(commandId: string, costUsd: number): void {
    this.#db.rows('UPDATE jobs SET cost_here = max(cost_here, ?) WHERE command_id = ?', costUsd, commandId)
  }

  /** What was spent on a thread, and in the repository since a moment. */
  spent(threadId: string, since: number): { readonly thread: number; readonly day: number } {
    const sum = (where: string, value: string | number): number =>
      Number(this.#db.rows(`SELECT coalesce(sum(cost_before + cost_here), 0) AS usd FROM jobs WHERE ${where}`, value)[0]?.['usd'])
    return { thread: sum('thread_id = ?', threadId), day: sum('coalesce(ended_at, accepted_at) >= ?', since) }
  }

  /** The result, its delivery, what was pushed and where the conversation stands, all at once. */
  end(job: Job, report: JobReport, at: number): void {
    this.#db.together(() => {
      const { result, pushed, push, subjects, unresolved, session } = report
      this.#db.rows(
        'UPDATE jobs SET pushed = ?, push = ?, subjects = ?, unresolved = ?, cost_here = max(cost_here, ?) WHERE command_id = ?',
        pushed ?? null,
        push === undefined ? null : JSON.stringify(push),
        JSON.stringify(subjects),
        JSON.stringify(unresolved),
        result.costUsd ?? 0,
        job.command.commandId,
      )
      if (session !== undefined) this.#keepSession(job.command.threadId, session)
      this.#end(job, { ...result, attempt: job.attempt }, at)
    })
  }

  session(threadId: string): Session | undefined {
    const parts = this.#db.rows('SELECT * FROM sessions WHERE thread_id = ? ORDER BY part', threadId)
    const [first] = parts
    if (first === undefined) return undefined
    const said = typeof first['said'] === 'string' ? { said: first['said'] } : {}
    return { id: String(first['id']), ...said, conversation: parts.map(({ text }) => String(text)).join('') }
  }

  /** What may be delivered: of each thread its oldest, where that is due. */
  due(at: number): readonly (Delivery & { readonly n: number })[] {
    return this.#db
      .rows(
        `SELECT outbox.*, jobs.command FROM outbox JOIN jobs ON jobs.command_id = outbox.command_id WHERE due_at <= ?
           AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.thread_id = outbox.thread_id AND earlier.n < outbox.n) ORDER BY n LIMIT 20`,
        at,
      )
      .map((row) => {
        const command = KeptCommand.parse(JSON.parse(String(row['command'])))
        const [n, to, tries] = [Number(row['n']), String(row['reply_to']), Number(row['tries'])]
        return {
          n,
          eventId: String(n),
          way: 'github',
          to,
          workspace: command,
          threadId: command.threadId,
          result: Result.parse(JSON.parse(String(row['result']))),
          tries,
        }
      })
  }

  sent(n: number): void {
    this.#db.rows('DELETE FROM outbox WHERE n = ?', n)
  }

  refused(n: number, at: number): void {
    this.#db.rows('UPDATE outbox SET tries = tries + 1, due_at = ? WHERE n = ?', at, n)
  }

  /** When a result is to be delivered next. */
  dueAt(): number | undefined {
    const [row] = this.#db.rows(
      'SELECT min(due_at) AS at FROM outbox WHERE NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.thread_id = outbox.thread_id AND earlier.n < outbox.n)',
    )
    return typeof row?.['at'] === 'number' ? row['at'] : undefined
  }

  /** What the commits of a thread changed, and say. */
  changes(threadId: string): { readonly files: readonly string[]; readonly subjects: readonly string[] } {
    const pushed = this.#db.rows('SELECT * FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL ORDER BY seq', threadId).map(columns)
    return { files: [...new Set(pushed.flatMap(({ result }) => result?.filesChanged ?? []))], subjects: pushed.flatMap(({ subjects }) => subjects) }
  }

  /** The commit that origin has of a thread. */
  tip(threadId: string): string | undefined {
    const [row] = this.#db.rows('SELECT pushed FROM jobs WHERE thread_id = ? AND pushed IS NOT NULL ORDER BY seq DESC LIMIT 1', threadId)
    return row === undefined ? undefined : String(row['pushed'])
  }

  forget(): void {
    this.#db.rows(
      `DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = 'ended' AND ended_at < ?
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.command_id = jobs.command_id) ORDER BY seq LIMIT 100)`,
      Date.now() - KEPT_MS,
    )
  }

  #end({ command, replies }: Job, result: Result, at: number): void {
    const [ended] = this.#db.rows(
      `UPDATE jobs SET state = 'ended', result = ?, ended_at = ? WHERE command_id = ? AND state <> 'ended' RETURNING seq`,
      JSON.stringify(result),
      at,
      command.commandId,
    )
    if (ended === undefined) return
    for (const reply of replies) this.#putOut(command, reply, result, at)
  }

  #putOut({ commandId, threadId }: Command, { to }: Reply, result: Result, at: number): void {
    this.#db.rows(
      'INSERT INTO outbox (command_id, thread_id, reply_to, result, due_at) VALUES (?, ?, ?, ?, ?)',
      commandId,
      threadId,
      to,
      JSON.stringify(result),
      at,
    )
  }

  /** The same command by another message: that one is answered too. */
  #alsoAnswer(job: Job, reply: Reply, at: number): Pick<Job, 'state'> {
    if (job.replies.some(({ id }) => id === reply.id)) return job
    this.#db.rows('UPDATE jobs SET replies = ? WHERE command_id = ?', JSON.stringify([...job.replies, reply]), job.command.commandId)
    if (job.result !== undefined) this.#putOut(job.command, reply, job.result, at)
    return job
  }

  /** What a container did was pushed when it ended; where that could not be done, it said why. */
  #pushOf({ commandId, sessionId, threadId }: Command): Result {
    const [row] = this.#db.rows('SELECT push FROM jobs WHERE command_id = ?', commandId.replace(/-push$/, ''))
    const about = { sessionId, commandId, timestamp: Date.now(), branch: `thread-${threadId}` }
    if (typeof row?.['push'] === 'string') return { ...Result.parse(JSON.parse(row['push'])), ...about }
    return { ...about, success: true, summary: `Pushed to thread-${threadId}`, pushed: true }
  }

  #keepSession(threadId: string, { id, said, conversation }: Session): void {
    this.#db.rows('DELETE FROM sessions WHERE thread_id = ?', threadId)
    for (let part = 0; part * PIECE < conversation.length; part += 1)
      this.#db.rows(
        'INSERT INTO sessions (thread_id, part, id, said, text) VALUES (?, ?, ?, ?, ?)',
        threadId,
        part,
        id,
        said ?? null,
        conversation.slice(part * PIECE, (part + 1) * PIECE),
      )
  }
}

const textOf = ({ commandId, instruction, attachments }: Carried): Carried => ({ commandId, instruction, attachments })

/** A message for a thread whose last one has not begun takes that one's text along. */
const supersedes = (command: Command, before: Job): boolean =>
  before.state === 'queued' &&
  before.attempt === 0 &&
  before.command.type === 'edit' &&
  command.type === 'edit' &&
  command.mode === before.command.mode &&
  command.delivery === 'interrupt'
