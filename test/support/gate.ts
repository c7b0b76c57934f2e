import { createServer, request } from 'node:http'
import { once } from 'node:events'

/** Stands before a model and refuses what it is told to, as the real one does when a limit is reached. */
export interface Gate extends AsyncDisposable {
  readonly url: string
  /** Requests that hold `text` are refused with 429 and told when to come back, until then; Claude Code is told not to try before. */
  limit(text: string, seconds: number): void
}

export async function startGate(model: string): Promise<Gate> {
  const limits: { text: string; until: number }[] = []
  const server = createServer((incoming, outgoing) => {
    const body: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => body.push(chunk))
    incoming.on('end', () => {
      const whole = Buffer.concat(body)
      const limited = limits.find(({ text, until }) => until > Date.now() && whole.includes(text))
      if (limited !== undefined) {
        const seconds = Math.ceil((limited.until - Date.now()) / 1000) + 1
        outgoing.writeHead(429, { 'content-type': 'application/json', 'retry-after': String(seconds), 'x-should-retry': 'false' })
        outgoing.end(JSON.stringify({ type: 'error', error: { type: 'rate_limit_error', message: 'the limit is reached' } }))
        return
      }
      const onward = request(`${model}${incoming.url}`, { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      outgoing.on('close', () => onward.destroy())
      onward.end(whole)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address === null || typeof address === 'string' ? 0 : address.port}`,
    limit: (text, seconds) => void limits.push({ text, until: Date.now() + seconds * 1000 }),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
