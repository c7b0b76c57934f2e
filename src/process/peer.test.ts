import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { isLocal, peerUser } from './peer.ts'
import { start } from './start.ts'

const linux = process.platform === 'linux'
const root = linux && process.getuid?.() === 0
const STRANGER = 131_998

/** A connection to a server of ours, as the server sees it; the other end is opened by `open`. */
async function accepted<Value>(host: string, open: (port: number) => Disposable, use: (socket: Socket) => Promise<Value>): Promise<Value> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  using _other = open((server.address() as AddressInfo).port)
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => {})
  try {
    return await use(socket)
  } finally {
    socket.destroy()
    server.close()
  }
}

const here =
  (host: string) =>
  (port: number): Disposable => {
    const socket = connect(port, host)
    return { [Symbol.dispose]: () => socket.destroy() }
  }

const stranger =
  (host: string) =>
  (port: number): Disposable => {
    const child = start('/bin/bash', ['-c', `exec 3<>/dev/tcp/${host}/${port}; read -u 3 line`], { cwd: '/', env: {}, as: { uid: STRANGER, gid: STRANGER } })
    return { [Symbol.dispose]: () => void child.kill('SIGKILL') }
  }

describe.skipIf(!linux)(`the user at the other end of a connection${linux ? '' : ' (skipped: not Linux)'}`, () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::', '127.0.0.1'],
    ['127.0.0.3', '127.0.0.3'],
  ])('is found on a server at %s that is called at %s', async (host, called) => {
    expect(await accepted(host, here(called), async (socket) => [isLocal(socket), await peerUser(socket)])).toEqual([true, process.getuid?.()])
  })

  it.skipIf(!root).each([
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
    ['::', '127.0.0.1'],
    ['::', '::ffff:127.0.0.1'],
  ])(`is another one where it is another one: %s called at %s`, async (host, called) => {
    expect(await accepted(host, stranger(called), peerUser)).toBe(STRANGER)
  })

  it('is not known where the other end has been let go, though the kernel still answers for it', async () => {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const other = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [socket] = (await once(server, 'connection')) as [Socket]
    const gone = Promise.all([once(socket.resume(), 'end'), once(other, 'close')])
    other.end('a message', () => other.destroy())
    await gone
    expect(await peerUser(socket)).toBeUndefined()
    socket.destroy()
    server.close()
  })

  it('is looked for on this machine only', () => {
    expect(isLocal({ localAddress: '10.1.2.3', remoteAddress: '198.51.100.7' })).toBe(false)
    expect(isLocal({ localAddress: '10.1.2.3', remoteAddress: '::ffff:10.1.2.3' })).toBe(true)
    expect(isLocal({ localAddress: '::1', remoteAddress: '::1' })).toBe(true)
    expect(isLocal({ remoteAddress: undefined })).toBe(false)
  })
})
