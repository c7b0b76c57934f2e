// The least that can take webhooks in: `node github-bare.ts SECRET` checks the signature of each body and answers; nothing is kept.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const [, , secret = ''] = process.argv

const isSigned = (body: Buffer, header: unknown): boolean => {
  const [given, right] = [Buffer.from(String(header)), Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)]
  return given.length === right.length && timingSafeEqual(given, right)
}

const server = createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => response.writeHead(isSigned(Buffer.concat(pieces), request.headers['x-hub-signature-256']) ? 202 : 401).end('taken'))
})
process.stdin.resume().once('close', () => process.exit())
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(`http://127.0.0.1:${address !== null && typeof address !== 'string' ? address.port : 0}/hook\n`)
})
