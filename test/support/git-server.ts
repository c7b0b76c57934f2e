import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, relative } from 'node:path'
import { serveGit } from './git-backend.ts'

export interface GitServer extends AsyncDisposable {
  /** With the credentials in it, as an operator writes it into REPO_URL. */
  readonly urlWithCredentials: string
  readonly url: string
}

export interface GitServerOptions {
  /** The folder that paths of the URL begin from. */
  readonly root?: string
  /** Answers requests that are not git's, first. */
  readonly api?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** git's own HTTP server, `git http-backend`, behind a user name and a password. */
export async function startGitServer(bare: string, user: string, password: string, { root = dirname(bare), api }: GitServerOptions = {}): Promise<GitServer> {
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const server = createServer((request, response) => {
    if (api?.(request, response) === true) return
    if (request.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    void serveGit(request, response, { root, user })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  const path = relative(root, bare)
  return {
    url: `http://127.0.0.1:${port}/${path}`,
    urlWithCredentials: `http://${user}:${password}@127.0.0.1:${port}/${path}`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
