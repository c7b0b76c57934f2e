import { failpoint } from '../observe/failpoint.ts'
import type { Ending } from '../command/ending.ts'
import { Fenced, type CommandRecord } from '../journal/journal.ts'
import { beginPreview, finishPreview } from './preview-command.ts'
import { beginPush, finishPush, type Pushing } from './push.ts'
import { conclude, type Ran } from './run-command.ts'
import { TakenUp, whole } from './taken-up.ts'
import { about } from './tell.ts'
import type { Tools } from './tools.ts'
import type { Turns } from './turns.ts'

export const FIRST_MEND_MS = 1000

/** What the engine does with it. */
interface Host {
  /** Aborts when the service begins to stop. */
  readonly closing: AbortSignal
  readonly beside: (work: Promise<unknown>) => void
  readonly ended: (run: CommandRecord, ran: Ran) => void
  /** Lines the command up again, unless the service stops. */
  readonly again: (run: CommandRecord, inMs: number, as: 'queued' | 'left') => void
}

/** Pushes and previews: each takes its commit in its turn and may end later, while the thread goes on. */
export class Later {
  readonly #tools: Tools
  readonly #turns: Turns
  readonly #host: Host

  constructor(tools: Tools, turns: Turns, host: Host) {
    this.#tools = tools
    this.#turns = turns
    this.#host = host
  }

  /** The part that has the turn. Answers how it ended where there is nothing to do later. */
  async begin(run: CommandRecord, stop: AbortSignal): Promise<Ran | undefined> {
    return run.command.type === 'push' ? this.#push(run, stop) : this.#preview(run, stop)
  }

  async #push(run: CommandRecord, stop: AbortSignal): Promise<Ran | undefined> {
    const pushing = await beginPush(run, this.#tools, stop)
    if ('kind' in pushing) return this.#over(run, pushing)
    await failpoint('push.fixed')
    this.#host.beside(this.#pushLater(pushing))
    return undefined
  }

  async #preview(run: CommandRecord, stop: AbortSignal): Promise<Ran | undefined> {
    const thread = await beginPreview(run, this.#tools, stop)
    if ('kind' in thread) return this.#over(run, thread)
    this.#host.beside(this.#guarded(run, 'preview.broke', () => finishPreview(run, thread, this.#tools, this.#host.closing)))
    return undefined
  }

  async #over(run: CommandRecord, ending: Ending): Promise<Ran> {
    const ran = await conclude(run, ending, { kind: 'nothing', skipped: [] }, undefined, this.#tools)
    this.#host.ended(run, ran)
    return ran
  }

  async #pushLater(pushing: Pushing): Promise<void> {
    const { run } = pushing
    await this.#guarded(run, 'push.broke', () =>
      finishPush(pushing, this.#tools, (work) => this.#turns.take(run.command, (stop) => whole(run, work, this.#tools, stop))),
    )
  }

  async #guarded(run: CommandRecord, event: string, finish: () => Promise<Ran>): Promise<void> {
    try {
      const ran = await finish()
      this.#host.ended(run, ran)
      if (ran.kind === 'again') this.#host.again(run, ran.inMs, 'queued')
    } catch (error) {
      if (error instanceof TakenUp) {
        this.#host.ended(run, error.ran)
        if (error.ran.kind === 'again') this.#host.again(run, error.ran.inMs, 'queued')
        return
      }
      this.#tools.log.error({ event: error instanceof Fenced ? 'workspace.lost' : event, ...about(run), err: error })
      if (!(error instanceof Fenced)) this.#host.again(run, FIRST_MEND_MS, 'left')
    }
  }
}
