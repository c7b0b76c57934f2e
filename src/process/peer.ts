import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import { isOwn, plainAddress } from '../network/public-address.ts'

/** A TCP connection as its server sees it: what Node's sockets have. */
export interface Connection {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']
/** The table is read in pieces while connections come and go, so a look may miss one that is there. */
const LOOKS = 3

/** Whether the process at the other end of a connection runs on this machine, as far as its address says. */
export function isLocal({ remoteAddress, localAddress }: Connection): boolean {
  if (remoteAddress === undefined) return false
  return isOwn(remoteAddress) || (localAddress !== undefined && plainAddress(remoteAddress) === plainAddress(localAddress))
}

/**
 * The user of the process at the other end of a connection within this machine, from the kernel's tables of sockets.
 *
 * @returns `undefined` where it is not found: not on Linux, the other end is elsewhere, or its process has let go of it already
 */
export async function peerUser(connection: Connection): Promise<number | undefined> {
  const { remoteAddress, remotePort, localAddress, localPort } = connection
  if (process.platform !== 'linux' || remoteAddress === undefined || localAddress === undefined) return undefined
  // What is remote for us is local for the other end, and its row is the one that is looked for.
  const wanted = `${plainAddress(remoteAddress)} ${remotePort} ${plainAddress(localAddress)} ${localPort}`
  for (let look = 0; look < LOOKS; look += 1) {
    for (const table of TABLES) {
      const text = await readFile(table, 'latin1').catch(() => '') // without IPv6 there is one table only
      const user = userIn(text, wanted)
      if (user !== undefined) return user
    }
  }
  return undefined
}

/**
 * The users whose programs listen on a port of this machine.
 *
 * @returns `undefined` where that cannot be found out
 */
export async function listenersAt(port: number): Promise<ReadonlySet<number> | undefined> {
  if (process.platform !== 'linux') return undefined
  const users = new Set<number>()
  for (const table of TABLES) {
    const text = await readFile(table, 'latin1').catch(() => '')
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , uid] = line.trim().split(/\s+/)
      if (state === LISTENING && endpoint(local).endsWith(` ${port}`)) users.add(Number(uid))
    }
  }
  return users
}

/** The state `TCP_LISTEN` of the kernel. */
const LISTENING = '0A'

/** Columns of `/proc/net/tcp`: sl, local, remote, state, queues, timer, retransmissions, uid, timeout, inode. */
function userIn(table: string, wanted: string): number | undefined {
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , uid, , inode] = line.trim().split(/\s+/)
    // A socket that no process holds any more has no inode, and is shown as root's.
    if (inode === undefined || inode === '0' || `${endpoint(local)} ${endpoint(remote)}` !== wanted) continue
    return Number(uid)
  }
  return undefined
}

/** `0100007F:1F90` → `127.0.0.1 8080`: words of four bytes in the machine's own order. */
function endpoint(text: string): string {
  const [address = '', port = ''] = text.split(':')
  const bytes = Buffer.from(address, 'hex')
  if (endianness() === 'LE') bytes.swap32()
  const host = bytes.length === 4 ? bytes.join('.') : (bytes.toString('hex').match(/.{4}/g) ?? []).join(':')
  return `${plainAddress(host)} ${Number.parseInt(port, 16)}`
}
