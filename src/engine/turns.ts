import { threadKey, workspaceKey, type ThreadRef } from '../command/ids.ts'
import type { Lanes } from './lanes.ts'
import { ShuttingDown } from './reasons.ts'

/** Work that wants a thread for itself, without being a command: it waits in the thread's line like one. */
export class Turns {
  readonly #lanes: Lanes
  readonly #over: (ref: ThreadRef) => void
  /** Work that waits for a turn and will not get one any more when the service stops. */
  readonly #waiting = new Set<(reason: Error) => void>()
  #closed = false

  /** @param over is called at the end of each turn */
  constructor(lanes: Lanes, over: (ref: ThreadRef) => void) {
    this.#lanes = lanes
    this.#over = over
  }

  /** @throws ShuttingDown, and what the work throws */
  take<Value>(ref: ThreadRef, work: (stop: AbortSignal) => Promise<Value>): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.#closed) {
        reject(new ShuttingDown())
        return
      }
      this.#waiting.add(reject)
      const { entry } = this.#lanes.arrive({ workspace: workspaceKey(ref), thread: threadKey(ref), needsLane: false }, false)
      this.#lanes.ready(entry, async (stop) => {
        this.#waiting.delete(reject)
        const [value] = await Promise.allSettled([work(stop)])
        this.#over(ref)
        if (value.status === 'fulfilled') resolve(value.value)
        else reject(value.reason)
        return undefined
      })
    })
  }

  close(): void {
    this.#closed = true
    for (const refuse of this.#waiting) refuse(new ShuttingDown())
  }
}
