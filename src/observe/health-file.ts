import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'

/** How a service stands, for whoever asks from beside it: it may have no port to be asked at. */
export const Health = z.object({
  pid: z.int(),
  /** ms since the epoch. */
  at: z.number(),
  status: z.string(),
  epoch: z.int().describe('Of the lease that it holds.'),
  queues: z.object({ queues: z.int(), polled: z.int(), silentSeconds: z.number().nullable() }).optional(),
})
export type Health = z.infer<typeof Health>

/** How often it is written; one that has not been for `STALE_MS` says that the service hangs. */
const WRITE_MS = 5000
export const STALE_MS = 30_000

/** Writes how the service stands, now and again until it is disposed of. */
export function keepHealthFile(path: string, look: () => Promise<Omit<Health, 'pid' | 'at'>>): AsyncDisposable {
  const stop = new AbortController()
  const write = async (): Promise<void> => {
    const health: Health = { pid: process.pid, at: Date.now(), ...(await look()) }
    await writeFile(`${path}.making`, JSON.stringify(health), { mode: 0o600 })
    await rename(`${path}.making`, path)
  }
  const working = (async () => {
    while (!stop.signal.aborted) {
      await write().catch(() => {}) // who reads it sees that it is old
      await delay(WRITE_MS, undefined, { signal: stop.signal, ref: false }).catch(() => {}) // stopped
    }
    await write().catch(() => {})
  })()
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await working
    },
  }
}

/** What the service has written last; `undefined` where it never has. */
export async function readHealthFile(path: string): Promise<Health | undefined> {
  try {
    return Health.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}
