import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname, relative } from 'node:path'

export interface GitServer extends AsyncDisposable {
  /** With the credentials in it, as an operator writes it into REPO_URL. */
  readonly urlWithCredentials: string
  readonly url: string
}

const HEAD_LIMIT = 64 * 1024

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
    const url = new URL(request.url ?? '/', 'http://git')
    const backend = spawn('git', ['-c', 'http.receivepack=true', 'http-backend'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        GIT_CONFIG_COUNT: '2',
        GIT_CONFIG_KEY_0: 'http.receivepack',
        GIT_CONFIG_VALUE_0: 'true',
        GIT_CONFIG_KEY_1: 'safe.directory',
        GIT_CONFIG_VALUE_1: '*',
        REQUEST_METHOD: request.method ?? 'GET',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        REMOTE_USER: user,
      },
    })
    request.pipe(backend.stdin)
    let head = Buffer.alloc(0)
    let begun = false
    backend.stdout.on('data', (chunk: Buffer) => {
      if (begun) return void response.write(chunk)
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1 && head.length < HEAD_LIMIT) return
      begun = true
      const lines = head.subarray(0, end).toString('latin1').split('\r\n')
      const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
      const { Status: status = '200', ...others } = headers
      response.writeHead(Number.parseInt(status, 10), others)
      response.write(head.subarray(end + 4))
    })
    backend.on('close', () => response.end())
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
