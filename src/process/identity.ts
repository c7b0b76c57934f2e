import { hasPowers, WITHOUT_POWERS } from './powers.ts'
import { run } from './run.ts'
import type { Identity } from './start.ts'

/**
 * As whom agents and installs run. Numeric users without passwd entries: slot *k* has user and group `firstUser + 2k` of its own,
 * the one after it is its preview's, and `firstUser - 1` installs dependencies.
 */
export interface Identities {
  /** `separate`: users of their own; `same`: the service's user, told apart by a mark in the environment. */
  readonly level: 'separate' | 'same'
  /** Why it is not `separate`. */
  readonly reason?: string
  agent(slotNumber: number): Identity
  /** The user of a slot's preview, in the group of the slot. */
  preview(slotNumber: number): Identity
  /** The user that installs dependencies; with the group of the slot it links them into. */
  install(slotNumber?: number): Identity
  /** Whether a user is one of those that agents and installs run as, of this service or of another one with the same range. */
  owns(uid: number): boolean
}

/** Users that count as those of agents, from the one that installs upwards: enough for 65,535 threads. */
const USERS = 131_072

const separate = (firstUser: number, through: readonly string[]): Identities => ({
  level: 'separate',
  agent: (slotNumber) => ({ uid: firstUser + 2 * slotNumber, gid: firstUser + 2 * slotNumber, through }),
  preview: (slotNumber) => ({ uid: firstUser + 2 * slotNumber + 1, gid: firstUser + 2 * slotNumber, through }),
  install: (slotNumber) => ({ uid: firstUser - 1, gid: slotNumber === undefined ? firstUser - 1 : firstUser + 2 * slotNumber, through }),
  owns: (uid) => uid >= firstUser - 1 && uid < firstUser - 1 + USERS,
})

const same = (reason: string): Identities => ({ level: 'same', reason, agent: () => ({}), preview: () => ({}), install: () => ({}), owns: () => false })

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
export async function findIdentities(isolation: 'auto' | 'require', firstUser: number, reachable: readonly string[]): Promise<Identities> {
  const wanted = separate(firstUser, process.getuid?.() === 0 ? [] : WITHOUT_POWERS)
  const reason = await obstacle(wanted, reachable)
  if (reason === undefined) return wanted
  if (isolation === 'require') throw new IsolationUnavailable(reason)
  return same(reason)
}

async function obstacle(wanted: Identities, reachable: readonly string[]): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'users are switched on Linux only'
  if (process.getuid?.() !== 0 && !(await hasPowers())) return 'the service is not root, and has not the capabilities that would do'
  for (const path of reachable) {
    for (const as of [wanted.agent(0), wanted.install()]) {
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
