// Sends webhooks from a process of its own, so that whoever keeps the clock does nothing else: one `Load` as JSON in, one `Outcome` out.
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { z } from 'zod'

/** `megabytes` of anything, where there is no body. */
const Load = z.object({
  url: z.string(),
  connections: z.number(),
  deliveries: z.array(z.object({ headers: z.record(z.string(), z.string()), body: z.string().optional(), megabytes: z.number().optional() })),
})
export type Load = z.infer<typeof Load>

/** In ms, in the order in which they were answered; 0 counts connections that were cut before an answer. */
export interface Outcome {
  readonly times: readonly number[]
  readonly statuses: Readonly<Record<number, number>>
}

const MEGABYTE = 1024 * 1024
const { url, connections, deliveries } = Load.parse(JSON.parse(await text(process.stdin)))
const agent = new Agent({ keepAlive: true, maxSockets: connections })
const filling = Buffer.alloc(Math.max(1, ...deliveries.map(({ megabytes = 0 }) => megabytes * MEGABYTE)), 'x')
const bodies = deliveries.map(({ headers, body, megabytes }) => ({
  headers,
  bytes: megabytes === undefined ? Buffer.from(body ?? '') : filling.subarray(0, megabytes * MEGABYTE),
}))

const times: number[] = []
const statuses: Record<number, number> = {}
/** The first answer on a connection is not timed: both sides warm up, and the service looks who it is that connects from its own machine. */
async function connection(): Promise<void> {
  const first = bodies.shift()
  if (first !== undefined) count(await send(first.headers, first.bytes))
  for (let next = bodies.shift(); next !== undefined; next = bodies.shift()) {
    const began = performance.now()
    const status = await send(next.headers, next.bytes)
    times.push(performance.now() - began)
    count(status)
  }
}

const count = (status: number): void => void (statuses[status] = (statuses[status] ?? 0) + 1)

/** An answer may come, and the connection end, before the whole body was sent. */
function send(headers: Readonly<Record<string, string>>, bytes: Buffer): Promise<number> {
  return new Promise((resolve) => {
    request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': bytes.length } }, (answer) => {
      const status = answer.statusCode ?? 0
      answer
        .on('close', () => resolve(status))
        .on('error', () => resolve(status))
        .resume()
    })
      .on('error', () => resolve(0))
      .end(bytes)
  })
}

await Promise.all(Array.from({ length: connections }, connection))
agent.destroy()
process.stdout.write(JSON.stringify({ times, statuses } satisfies Outcome))
