import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'

export interface Receiver extends AsyncDisposable {
  readonly url: string
  readonly heard: { readonly headers: IncomingHttpHeaders; readonly body: string }[]
}

/** Takes every webhook and keeps it, for tests of the double itself. */
export async function startReceiver(): Promise<Receiver> {
  const heard: Receiver['heard'] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      heard.push({ headers: request.headers, body })
      response.writeHead(202).end('taken')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address !== null && typeof address !== 'string' ? address.port : 0}/hook`,
    heard,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
