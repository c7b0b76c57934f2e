import type { ToolUse } from '../agent/claude-code.ts'
import { commitStep, objectOf, pruneSteps, takesName, type StepChange } from '../git/step.ts'
import { listChanges } from '../git/changes.ts'
import type { Checkout } from '../git/stage.ts'
import type { Sha } from '../git/branch.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { firstLine, messageOf } from '../observe/text.ts'
import { failpoint } from '../observe/failpoint.ts'
import { walkFile } from '../process/walk-file.ts'
import { tipOf } from '../workspace/thread-home.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** The agent waits for a step; when this is over it goes on, and the step is missed. */
const STEP_TIMEOUT_MS = 2000
/** What one run may keep. */
const MAX_STEPS = 500
const MAX_FILES = 2000
const MAX_FILE_BYTES = 10_000_000
/** Of files and folders that are looked at. */
const MAX_NAMES = 100_000
const MAX_STEP_BYTES = 64_000_000
/** After so many in a row that were missed, no more are tried in this run. */
const MAX_MISSED = 3
const KEPT_MS = 7 * 24 * 60 * 60_000

/**
 * Checkpoints in the middle of a run: after each tool use that changed files, and before a shell command on a changed tree, so that
 * what the agent itself overwrites or deletes can be had back. Best effort, and no part of saving: the run ends as one commit.
 */
export class Steps {
  readonly #run: CommandRecord
  readonly #thread: Thread
  readonly #tools: Tools
  /** What the last step held of the files that differ from where the run began, by name (latin1): mode and object, empty where it is gone. */
  #held: ReadonlyMap<string, string> = new Map()
  #tip: Sha | undefined
  #working: Promise<void> = Promise.resolve()
  #missedInARow = 0
  readonly counts = { taken: 0, missed: 0 }

  constructor(run: CommandRecord, thread: Thread, tools: Tools) {
    this.#run = run
    this.#thread = thread
    this.#tools = tools
  }

  /** Resolves when the step is taken or missed; never rejects. */
  note(use: ToolUse): Promise<void> {
    this.#working = this.#working.then(() => this.#note(use))
    return this.#working
  }

  /** No step is being taken any more; those that are old are forgotten. */
  async done(): Promise<void> {
    await this.#working
    const { home } = this.#thread
    if (this.counts.taken === 0) return
    await pruneSteps(home.paths.repository, Date.now() - KEPT_MS).catch((error: unknown) =>
      this.#tools.log.warn({ event: 'steps.not_pruned', threadId: this.#thread.ref.threadId, error: messageOf(error) }),
    )
  }

  async #note(use: ToolUse): Promise<void> {
    // Files that somebody may swap are read safely by way of /proc alone.
    if (process.platform !== 'linux' || this.#missedInARow >= MAX_MISSED || this.counts.taken >= MAX_STEPS) return
    try {
      if (await this.#take(use)) this.counts.taken += 1
      this.#missedInARow = 0
    } catch (error) {
      this.counts.missed += 1
      this.#missedInARow += 1
      this.#tools.log.warn({ event: 'step.missed', threadId: this.#thread.ref.threadId, commandId: this.#run.command.commandId, error: messageOf(error) })
    }
  }

  async #take(use: ToolUse): Promise<boolean> {
    const { home, names } = this.#thread
    const { gitDir } = home.checkout
    const { now, changes } = await this.#look(home.checkout, AbortSignal.timeout(STEP_TIMEOUT_MS))
    if (changes.length === 0) return false
    this.#tip ??= await tipOf(home)
    const { command, seq, attempt } = this.#run
    const { journal } = this.#tools
    const subject = this.#tools.redact(
      firstLine(`${use.when === 'before' ? 'Before' : 'After'} ${use.tool}: ${about(use.input).replaceAll(`${home.paths.workTree}/`, '')}`, 72),
    )
    const message = { subject, body: '', trailers: { 'Thread-Id': command.threadId, 'Command-Id': command.commandId } }
    const place = { thread: names.thread, run: `${seq}.${journal.epoch}.${attempt}`, n: this.counts.taken + 1, parent: this.#tip }
    this.#tip = await commitStep(gitDir, place, changes, { message, author: this.#tools.author, timeoutMs: STEP_TIMEOUT_MS })
    this.#held = now
    await failpoint('step.taken')
    return true
  }

  /** What differs from the last step; reads what differs from where the run began, and what did so then. */
  async #look(at: Checkout, stop: AbortSignal): Promise<{ readonly now: ReadonlyMap<string, string>; readonly changes: readonly StepChange[] }> {
    const { gone, present, indexed } = await listChanges({ ...at, stop, maxNames: MAX_NAMES })
    if (present.length + gone.length > MAX_FILES) throw new Error(`more than ${MAX_FILES} files have changed`)
    const names = new Set([...gone, ...present].map((name) => name.toString('latin1')))
    const changes: StepChange[] = []
    const now = new Map<string, string>()
    let bytes = 0
    for (const name of new Set([...names, ...this.#held.keys()])) {
      if (!takesName(name)) continue
      stop.throwIfAborted()
      const found = await walkFile(at.workTree, Buffer.from(name, 'latin1'), MAX_FILE_BYTES)
      if (found === 'other' || (found !== 'gone' && [Buffer.from(name, 'latin1'), found.content].some(this.#tools.holdsSecret))) {
        const held = this.#held.get(name) // stays as the step before has it
        if (held !== undefined) now.set(name, held)
        continue
      }
      bytes += found === 'gone' ? 0 : found.content.length
      if (bytes > MAX_STEP_BYTES) throw new Error(`more than ${MAX_STEP_BYTES / 1_000_000} MB have changed`)
      const object = found === 'gone' ? '' : objectOf(found)
      if (names.has(name)) now.set(name, object)
      // A file whose times alone have changed is listed too.
      if ((this.#held.get(name) ?? indexed.get(name)) !== object) changes.push({ name: Buffer.from(name, 'latin1'), found })
    }
    return { now, changes }
  }
}

function about(input: unknown): string {
  if (typeof input !== 'object' || input === null) return ''
  const { file_path: file, command } = { file_path: undefined, command: undefined, ...input }
  return String(file ?? command ?? '')
}
