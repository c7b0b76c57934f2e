import { run } from './run.ts'
import type { Identity } from './start.ts'

/** As whom agents and installs run. Numeric users without passwd entries; slot *k* has a user and a group of its own. */
export interface Identities {
  /** `separate`: users of their own; `same`: the service's user, told apart by a mark in the environment. */
  readonly level: 'separate' | 'same'
  /** Why it is not `separate`. */
  readonly reason?: string
  agent(slotNumber: number): Identity
  /** The user that installs dependencies; with the group of the slot it links them into. */
  install(slotNumber?: number): Identity
}

const FIRST_USER = 20_000
const INSTALL_USER = 19_999

const separate: Identities = {
  level: 'separate',
  agent: (slotNumber) => ({ uid: FIRST_USER + 2 * slotNumber, gid: FIRST_USER + 2 * slotNumber }),
  install: (slotNumber) => ({ uid: INSTALL_USER, gid: slotNumber === undefined ? INSTALL_USER : FIRST_USER + 2 * slotNumber }),
}

const same = (reason: string): Identities => ({ level: 'same', reason, agent: () => ({}), install: () => ({}) })

/** `ISOLATION=require` was asked for and cannot be had. */
export class IsolationUnavailable extends Error {
  constructor(reason: string) {
    super(`ISOLATION=require, but users cannot be switched: ${reason}`)
    this.name = 'IsolationUnavailable'
  }
}

/**
 * Finds out once, at start, whether agents can run as users of their own: the service may switch users,
 * and such a user reaches the workspace and the programs it needs. No parent folder is opened for it.
 *
 * @throws IsolationUnavailable where `isolation` is `require` and it cannot
 */
export async function findIdentities(isolation: 'auto' | 'require', reachable: readonly string[]): Promise<Identities> {
  const reason = await obstacle(reachable)
  if (reason === undefined) return separate
  if (isolation === 'require') throw new IsolationUnavailable(reason)
  return same(reason)
}

async function obstacle(reachable: readonly string[]): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'users are switched on Linux only'
  if (process.getuid?.() !== 0) return 'the service is not root'
  for (const path of reachable) {
    for (const as of [separate.agent(0), separate.install()]) {
      try {
        const { code } = await run('/usr/bin/test', ['-x', path], { cwd: '/', env: {}, as })
        if (code !== 0) return `user ${as.uid} cannot reach ${path}`
      } catch (error) {
        return `no program can be started as user ${as.uid}: ${error instanceof Error ? error.message : String(error)}`
      }
    }
  }
  return undefined
}
