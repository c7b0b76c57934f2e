import { failpoint } from '../observe/failpoint.ts'
import { commandHash, type Command } from '../command/command.ts'
import { threadKey, workspaceKey, type ThreadKey, type ThreadRef } from '../command/ids.ts'
import { Fenced, refOf, type CommandRecord, type CommandRef, type Reply, type Way } from '../journal/journal.ts'
import { messageOf, printable } from '../observe/text.ts'
import { Backlog } from './backlog.ts'
import { healthOf, type Acceptance, type Health } from './acceptance.ts'
import { Lanes, type Entry, type LaneRules } from './lanes.ts'
import type { Outbox } from './outbox.ts'
import { FIRST_MEND_MS, Later } from './later.ts'
import { recover, recoverRun } from './recovery.ts'
import { Places } from './places.ts'
import { runCommand, type Ran } from './run-command.ts'
import { about, showCommits, showThread, tellAccepted, tellCommit, tellEnd, tellSaved, tellSuperseded } from './tell.ts'
import { ThreadPreviews } from './thread-previews.ts'
import type { Tools } from './tools.ts'
import { Turns } from './turns.ts'
import { makeSpare, warmThread } from './warm.ts'

const LONGEST_MEND_MS = 60_000

/** Takes commands in, gives each its turn, and sees to it that each ends. */
export class Engine implements AsyncDisposable {
  readonly #tools: Tools
  readonly #outbox: Outbox
  readonly #lanes: Lanes
  readonly #places = new Places()
  /** What goes on without a turn: pushes, and the agents' own git catching up. */
  readonly #aside = new Set<Promise<unknown>>()
  readonly #turns: Turns
  readonly #slots = new Map<ThreadKey, string>()
  readonly #later: Later
  readonly previews: ThreadPreviews
  readonly backlog: Backlog
  /** The thread that was worked in last. */
  #latest: ThreadRef | undefined
  #closed = true
  /** Commands that are being recorded; and when there was work last, by `performance.now()`. */
  #arriving = 0
  busyAt = performance.now()

  constructor(tools: Tools, outbox: Outbox, rules: LaneRules) {
    this.#tools = tools
    this.#outbox = outbox
    this.#lanes = new Lanes(rules, () => this.#idle())
    this.#turns = new Turns(this.#lanes, (ref) => this.#turnOver(ref))
    this.previews = new ThreadPreviews(tools, (ref) => (work) => this.inTurn(ref, work))
    this.backlog = new Backlog(tools, this.#lanes, this.#places, {
      again: (record) => this.#lineUp(record, 0, 'queued'),
      ended: () => this.#outbox.ring(),
    })
    this.#later = new Later(tools, this.#turns, {
      closing: this.previews.closing,
      beside: (work) => this.#beside(work),
      ended: (run, ran) => this.#ended(run, ran),
      again: (run, inMs, as) => {
        if (!this.#closed) this.#lineUp(run, inMs, as)
      },
    })
  }

  /** Finishes what a former service left and begins to accept. */
  async start(): Promise<void> {
    await this.#tools.room.kept()
    const waiting = await recover(this.#tools)
    this.#closed = false
    for (const record of waiting) {
      const { entry } = this.#lanes.arrive(this.#placeOf(record.command), false, { afterMs: Math.max(0, (record.note?.until ?? 0) - Date.now()) })
      if (record.interruptedBy !== undefined) this.#lanes.interrupt(entry, record.interruptedBy)
      this.#enter(record, entry, 'left')
    }
    this.#outbox.start()
    this.#outbox.ring()
    const [latest] = (await this.#tools.journal.everyThread()).toSorted((a, b) => b.lastActiveAt - a.lastActiveAt)
    if (latest !== undefined) this.#worked(latest.ref)
    this.#idle()
  }

  async health(): Promise<Health> {
    return this.#closed ? 'draining' : healthOf(this.#tools)
  }

  counts(): ReturnType<Lanes['counts']> {
    return this.#lanes.counts()
  }

  /** Accepts nothing more from here on, if there is nothing to do. */
  closeIfIdle(): boolean {
    const { running, waiting } = this.#lanes.counts()
    return (this.#closed ||= running + waiting + this.#arriving === 0)
  }

  /** Records a command, durably, before it answers; duplicates end here. Interrupts what stands in its way. */
  async accept(command: Command, way: Way, reply?: Reply): Promise<Acceptance> {
    this.#arriving += 1
    this.busyAt = performance.now()
    return this.#accept(command, way, reply).finally(() => (this.#arriving -= 1))
  }

  async #accept(command: Command, way: Way, reply: Reply | undefined): Promise<Acceptance> {
    const hash = await commandHash(command)
    const health = await this.health()
    if (health === 'draining') return { kind: 'closed' }
    if (health === 'full' || health === 'backlog') {
      const record = await this.#tools.journal.command(refOf(command))
      if (record === undefined) return { kind: health }
      return record.hash === hash ? { kind: 'duplicate', record } : { kind: 'conflict' }
    }
    const arrival = this.#lanes.arrive(this.#placeOf(command), command.delivery === 'interrupt' && this.#takesLane(command))
    const interrupts = this.#places.commandOf(arrival.inTheWay)
    const joins = command.delivery === 'steer' ? this.#places.commandOf(this.#lanes.running(threadKey(command))) : undefined
    await failpoint('accept.arrived')
    const accepted = await this.#tools.journal
      .accept({ command, hash, way, reply, at: Date.now(), begin: arrival.free, interrupts, joins })
      .catch((error: unknown) => {
        this.#lanes.leave(arrival.entry)
        throw error
      })
    if (accepted.outcome !== 'done') {
      this.#lanes.leave(arrival.entry)
      this.#outbox.ring() // one that has ended may answer to whoever sent it again
      return accepted.outcome === 'duplicate'
        ? { kind: 'duplicate', record: accepted.record }
        : { kind: accepted.outcome === 'conflict' ? 'conflict' : 'closed' }
    }
    const { record } = accepted
    tellAccepted(command, this.#tools)
    this.#tools.log.info({ event: 'command.accepted', ...about(record) })
    await failpoint('accept.recorded')
    if (record.joins !== undefined && joins !== undefined) {
      this.#lanes.leave(arrival.entry)
      this.#tools.steered.hearing(joins)?.give(record)
      return { kind: 'accepted', record }
    }
    for (const superseded of accepted.superseded) this.#dropSuperseded(superseded, command)
    if (arrival.inTheWay !== undefined) {
      this.#tools.log.info({ event: 'run.interrupting', ...about(record), commandInTheWay: interrupts?.commandId })
      this.#lanes.interrupt(arrival.inTheWay, command.commandId, arrival.entry)
    }
    this.#enter(record, arrival.entry, record.state === 'running' ? 'begun' : 'queued')
    return { kind: 'accepted', record }
  }

  /** Stops what a thread is running, or waits to try again, without a new message. Answers which command that was. */
  async interrupt(ref: ThreadRef): Promise<string | undefined> {
    const entry = this.#lanes.current(threadKey(ref))
    const of = this.#places.commandOf(entry)
    if (entry === undefined || of === undefined || !entry.place.needsLane) return undefined
    if ((await this.#tools.journal.interrupt(of, 'user')) === 'lost') return undefined
    this.#lanes.interrupt(entry, 'user')
    return of.commandId
  }

  /** The command that has its thread's turn. */
  running(ref: ThreadRef): string | undefined {
    return this.#places.commandOf(this.#lanes.running(threadKey(ref)))?.commandId
  }

  /** Has a thread for itself while it works. @throws ShuttingDown */
  async inTurn<Value>(ref: ThreadRef, work: (stop: AbortSignal) => Promise<Value>): Promise<Value> {
    return this.#turns.take(ref, work)
  }

  /** Somebody looks at a thread that is there, so its next message may come soon. Does nothing where it has, or waits for, its turn. */
  look(ref: ThreadRef): void {
    if (!this.#closed && this.#lanes.vacant(threadKey(ref))) this.#beside(this.#turns.take(ref, (stop) => warmThread(ref, this.#tools, stop)))
  }

  /** Accepts nothing more, interrupts and saves what runs, keeps the rest for the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#turns.close()
    const previews = this.previews.close()
    await this.#lanes.close()
    await previews
    await Promise.allSettled(this.#aside)
    await this.#outbox[Symbol.asyncDispose]()
  }

  #takesLane = ({ type }: Command): boolean => type === 'edit' || type === 'build'

  #placeOf = (command: Command) => ({ workspace: workspaceKey(command), thread: threadKey(command), needsLane: this.#takesLane(command) })

  /** Waits for the turn of a command that was accepted: begun with that, queued, or left by a former service in any state. */
  #enter(record: CommandRecord, entry: Entry, as: 'begun' | 'queued' | 'left'): void {
    const of = refOf(record.command)
    this.#places.enter(of, entry)
    let first = as === 'begun' ? record : undefined
    let broken = as === 'left' ? 1 : 0
    this.#lanes.ready(entry, async (stop) => {
      try {
        if (broken > 0) await this.#mend(of)
        const run = first ?? (await this.#tools.journal.begin(of, Date.now()))
        first = undefined
        broken = 0
        const ran = run === undefined ? undefined : await this.#run(run, stop)
        if (ran?.kind === 'again') return { againInMs: ran.inMs }
      } catch (error) {
        this.#tools.log.error({ event: error instanceof Fenced ? 'workspace.lost' : 'run.broke', ...about(record), err: error })
        await this.#tools.room.makeRoom().catch(() => {}) // a disk that cannot be asked will not be full alone
        if (!(error instanceof Fenced)) return { againInMs: Math.min(LONGEST_MEND_MS, FIRST_MEND_MS * 2 ** broken++) }
      } finally {
        this.#turnOver(record.command)
      }
      this.#places.leave(of)
      return undefined
    })
  }

  /** The journal or the disk failed in the middle of a run: it is taken up as after a crash, until that can be recorded. */
  async #mend(of: CommandRef): Promise<void> {
    const record = await this.#tools.journal.command(of)
    if (record === undefined || (record.state !== 'running' && record.state !== 'saving')) return
    this.#ended(record, await recoverRun(record, this.#tools))
  }

  async #run(run: CommandRecord, stop: AbortSignal): Promise<Ran | undefined> {
    this.#tools.events(run.command).append({ commandId: run.command.commandId, type: 'run.started', attempt: run.attempt })
    this.#worked(run.command)
    await failpoint('run.begun')
    if (run.command.type === 'push' || run.command.type === 'preview') return this.#later.begin(run, stop)
    this.#tools.steered.open(refOf(run.command))
    const ran = await runCommand(run, this.#tools, stop).finally(() => this.#tools.steered.close(refOf(run.command)))
    this.#ended(run, ran)
    // The result is on its way; the agent's own git catches up before the thread's next turn.
    if (ran.kind === 'again' || ran.result.commit !== undefined) await showCommits(run.command, this.#tools)
    return ran
  }

  /** A command that is queued again takes a place at the end of its thread's line, after a while. */
  #lineUp(run: CommandRecord, inMs: number, as: 'queued' | 'left'): void {
    const { entry } = this.#lanes.arrive(this.#placeOf(run.command), false, { afterMs: inMs })
    this.#enter(run, entry, as)
  }

  #ended(run: CommandRecord, ran: Ran): void {
    if (ran.kind === 'again') {
      tellSaved(run, ran.saved, this.#tools)
      const text = `Attempt ${run.attempt} ended: ${printable(ran.why, 500)}${ran.inMs === 0 ? '' : ` Trying again in ${Math.ceil(ran.inMs / 1000)} s.`}`
      this.#tools.events(run.command).append({ commandId: run.command.commandId, type: 'progress', text })
      this.#tools.log.warn({ event: 'run.again', ...about(run), inMs: ran.inMs, why: ran.why })
    } else {
      this.#places.ended(refOf(run.command))
      tellCommit(run, ran.result, ran.subject, this.#tools)
      tellEnd(run, ran.result, this.#tools)
      for (const each of ran.steered.toReversed()) {
        if (each.result !== undefined) tellEnd(each, each.result, this.#tools)
        else this.#enter(each, this.#lanes.arrive(this.#placeOf(each.command), false, { next: true }).entry, 'queued')
      }
      this.#outbox.ring()
    }
    this.#beside(showThread(run.command, this.#tools))
    const { state } = this.#tools.previews.standing(this.#slotOf(run.command))
    if (run.command.type === 'edit' || run.command.type === 'build' || state !== 'stopped') this.previews.followUp(run.command)
    this.previews.wake(run.command)
  }

  #worked({ clientId, userId, projectId, threadId }: ThreadRef): void {
    this.previews.activate((this.#latest = { clientId, userId, projectId, threadId }))
  }

  /** Remembered apart from what is prepared, which is forgotten where a repository is mended; empty where there is none yet. */
  #slotOf(ref: ThreadRef): string {
    const slot = this.#tools.prepared.get(threadKey(ref))?.home.slot.slot
    if (slot !== undefined) this.#slots.set(threadKey(ref), slot)
    return slot ?? this.#slots.get(threadKey(ref)) ?? ''
  }

  /** Nobody touches the files of a thread any more. */
  #turnOver(ref: ThreadRef): void {
    this.busyAt = performance.now()
    this.#tools.previews.goOn(this.#slotOf(ref))
  }

  #idle(): void {
    if (this.#latest !== undefined && !this.#closed) this.#beside(makeSpare(this.#latest, this.#tools))
  }

  #beside(work: Promise<unknown>): void {
    const guarded = work.catch((error: unknown) => this.#tools.log.error({ event: 'aside.failed', error: messageOf(error) }))
    this.#aside.add(guarded)
    void guarded.then(() => this.#aside.delete(guarded))
  }

  #dropSuperseded(of: CommandRef, by: Command): void {
    const entry = this.#places.of(of)
    if (entry !== undefined) this.#lanes.leave(entry)
    this.#places.leave(of)
    tellSuperseded(of.commandId, by, this.#tools)
    this.#outbox.ring()
  }
}
