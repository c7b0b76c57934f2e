import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'

const LOOK_MS = 1000
/** Protection ends by itself after this; it is renewed in half of that time. ECS takes 1 to 2,880 minutes. */
const EXPIRES_MINUTES = 30
const ANSWER_MS = 5000

/** Has ECS not stop this task, for a deployment or to scale in, while there is work (task scale-in protection). */
export function protectTask(agentUri: string, isBusy: () => boolean, log: Log): AsyncDisposable {
  const stop = new AbortController()
  let [until, refused] = [0, false]
  const set = async (enabled: boolean): Promise<void> => {
    const body = { ProtectionEnabled: enabled, ...(enabled ? { ExpiresInMinutes: EXPIRES_MINUTES } : {}) }
    try {
      const { ok, status } = await fetch(`${agentUri}/task-protection/v1/state`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      if (!ok) throw new Error(`ECS answered ${status}`)
      until = enabled ? performance.now() + EXPIRES_MINUTES * 60_000 : 0
      refused = false
    } catch (error) {
      if (!refused) log.warn({ event: 'task.not_protected', enabled, error: messageOf(error) }) // a task that no service started cannot be
      refused = true
    }
  }
  const working = (async () => {
    while (!stop.signal.aborted) {
      const left = until - performance.now()
      if (isBusy() ? left < (EXPIRES_MINUTES * 60_000) / 2 : until > 0) await set(isBusy())
      await delay(refused ? 30 * LOOK_MS : LOOK_MS, undefined, { signal: stop.signal, ref: false }).catch(() => {}) // stopped
    }
    if (until > 0) await set(false)
  })()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await working
    },
  }
}
