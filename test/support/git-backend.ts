import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

const HEAD_LIMIT = 64 * 1024

export interface GitRequest {
  /** The folder that paths of the URL begin from. */
  readonly root: string
  /** Who may push; hooks find it as REMOTE_USER. */
  readonly user: string
  /** More for hooks. */
  readonly env?: Readonly<Record<string, string>>
  /** When git has done it and before the reply ends. */
  readonly done?: () => Promise<void>
}

/** Answers one request by `git http-backend`, git's own HTTP server; done when git is. */
export async function serveGit(request: IncomingMessage, response: ServerResponse, { root, user, env = {}, done }: GitRequest): Promise<void> {
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
      ...env,
    },
  })
  backend.stdin.on('error', () => {}) // it need not read all it is sent
  request.pipe(backend.stdin)
  request.once('close', () => void (request.complete || backend.kill()))
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
  await once(backend, 'close')
  await done?.()
  response.end()
}
