import { setTimeout as delay } from 'node:timers/promises'
import type { Journal } from '../journal/journal.ts'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'

/** GitHub can send what it told again for three days; a copy of a delivery that somebody kept is refused for as long as this. */
const TOLD_MS = 30 * 24 * 60 * 60_000
const LOOK_MS = 6 * 60 * 60_000
/** Forgotten in one transaction; others wait for no more than that. */
const BATCH = 500

/** Forgets ended commands that are older than `keepMs`, now and then, until it is disposed of. Threads, commits and checkpoints stay. */
export function keepBounded(journal: Journal, keepMs: number, log: Log): AsyncDisposable {
  const stop = new AbortController()
  const working = (async () => {
    while (!stop.signal.aborted) {
      try {
        let forgotten = 0
        for (let count = BATCH; count === BATCH && !stop.signal.aborted;) forgotten += count = await journal.forget(Date.now() - keepMs, BATCH)
        for (let count = BATCH; count === BATCH && !stop.signal.aborted;) count = await journal.inbox.forget(Date.now() - TOLD_MS, BATCH)
        if (forgotten > 0) log.info({ event: 'commands.forgotten', count: forgotten })
      } catch (error) {
        log.warn({ event: 'commands.not_forgotten', error: messageOf(error) })
      }
      await delay(LOOK_MS, undefined, { signal: stop.signal, ref: false }).catch(() => {}) // stopped
    }
  })()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await working
    },
  }
}
