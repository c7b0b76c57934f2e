import { createServer, request, type Server } from 'node:http'
import { once } from 'node:events'
import { Broker } from '../src/agent/broker.ts'
import { openLog } from '../src/observe/log.ts'
import { someAccount } from '../test/support/account.ts'
import type { Subject } from './support.ts'

const REQUESTS = 400
const WARM_UP = 50
const PIECES = 20
const PIECE_MS = 4

/** What the broker adds between an agent and the model. Each sample is a 99th percentile. */
export const broker: Subject<'request' | 'chunk'> = {
  figures: {
    request: { name: 'broker: first byte of an answer, p99, against the model itself', unit: 'ms' },
    chunk: { name: 'broker: each piece of a streamed answer, p99, against the model itself', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const model = createServer((incoming, answer) => {
      incoming.resume()
      incoming.on('end', () => {
        answer.writeHead(200, { 'content-type': 'text/event-stream' })
        let left = PIECES
        const timer = setInterval(() => {
          const data = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'word '.repeat(8) }, at: now() }
          answer.write(`event: content_block_delta\ndata: ${JSON.stringify(data)}\n\n`)
          if (--left > 0) return
          clearInterval(timer)
          answer.end()
        }, PIECE_MS)
        answer.write(`event: ping\ndata: ${JSON.stringify({ type: 'ping', at: now() })}\n\n`)
      })
    })
    const direct = await listening(model)
    parts.defer(async () => {
      model.close()
      model.closeAllConnections()
      await once(model, 'close')
    })
    const between = parts.use(
      new Broker(
        { kind: 'anthropic', url: direct, credential: { header: 'x-api-key', value: 'key' } },
        { log: openLog('silent', (text) => text), silenceMs: 60_000, networkEnv: {} },
      ),
    )
    await between.start()
    const pass = between.pass()
    pass.open(someAccount())
    const sides = { direct: [[], []] as [number[], number[]], between: [[], []] as [number[], number[]] }
    for (let n = 0; n < REQUESTS + WARM_UP; n += 1) {
      for (const [side, url] of [
        ['direct', direct],
        ['between', between.url],
      ] as const) {
        const { first, pieces } = await ask(url, pass.token)
        if (n < WARM_UP) continue
        sides[side][0].push(first)
        sides[side][1].push(...pieces)
      }
    }
    return {
      request: { ours: [p99(sides.between[0])], baseline: [p99(sides.direct[0])] },
      chunk: { ours: [p99(sides.between[1])], baseline: [p99(sides.direct[1])] },
    }
  },
}

const now = (): number => performance.timeOrigin + performance.now()
const BODY = JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'x'.repeat(50_000) }] })

/** How long the first byte takes, and how old each piece is when it arrives. */
function ask(url: string, token: string): Promise<{ readonly first: number; readonly pieces: readonly number[] }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const asked = request(`${url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': token, 'content-type': 'application/json' } }, (answer) => {
      let first = 0
      const pieces: number[] = []
      answer.on('data', (chunk: Buffer) => {
        first ||= performance.now() - began
        const at = /"at":([\d.]+)/.exec(chunk.toString('latin1'))?.[1]
        if (at !== undefined) pieces.push(now() - Number(at))
      })
      answer.on('end', () => resolve({ first, pieces }))
      answer.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(BODY)
  })
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return `http://127.0.0.1:${address === null || typeof address === 'string' ? 0 : address.port}`
}

function p99(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0
}
