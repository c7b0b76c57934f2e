import { randomUUID } from 'node:crypto'
import { lchown, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../observe/text.ts'
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

/** Agents would not be kept apart as they have to be. */
export class IsolationUnavailable extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'IsolationUnavailable'
  }
}

/**
 * Finds out once, at start, whether agents can run as users of their own: the service may switch users, files can be theirs, and such a
 * user reaches the workspace and the programs it needs. No parent folder is opened for it.
 *
 * @throws IsolationUnavailable where it cannot, and `isolation` is `require` or agents would have the service's capabilities
 */
export async function findIdentities(
  isolation: 'auto' | 'require',
  firstUser: number,
  { workspace, programs }: { readonly workspace: string; readonly programs: readonly string[] },
): Promise<Identities> {
  const root = process.getuid?.() === 0
  const powers = !root && (await hasPowers())
  const reason = await (async () => {
    if (process.platform !== 'linux') return 'users are switched on Linux only'
    if (!root && !powers) return 'the service is not root, and has not the capabilities that would do'
    // Root has nothing that `setpriv` must take off, but there may be none, or one that knows less.
    const through = powers || (await canDrop(firstUser)) ? WITHOUT_POWERS : []
    const wanted = separate(firstUser, through)
    return (await obstacle(wanted, workspace, programs)) ?? wanted
  })()
  if (typeof reason !== 'string') return reason
  if (isolation === 'require') throw new IsolationUnavailable(`ISOLATION=require, but users cannot be switched: ${reason}`)
  if (powers)
    throw new IsolationUnavailable(
      `Users cannot be switched (${reason}), and agents must not have the capabilities of the service. Mend that, such as by chmod o+x, or forbid new privileges, so that the service has none.`,
    )
  return same(reason)
}

const canDrop = async (uid: number): Promise<boolean> => (await succeeds('/bin/true', [], { uid, gid: uid, through: WITHOUT_POWERS })) === true

async function obstacle(wanted: Identities, workspace: string, programs: readonly string[]): Promise<string | undefined> {
  if (wanted.owns(process.getuid?.() ?? 0)) return `FIRST_USER_ID: user ${process.getuid?.()} is the service's own`
  const given = join(workspace, `.given-${randomUUID()}`)
  try {
    await writeFile(given, '')
    const { uid = 0, gid = 0 } = wanted.agent(0)
    await lchown(given, uid, gid)
  } catch (error) {
    return `files in ${workspace} cannot be given to another user (${messageOf(error)})`
  } finally {
    await rm(given, { force: true })
  }
  for (const path of [workspace, ...programs]) {
    for (const as of [wanted.agent(0), wanted.install()]) {
      const reached = await succeeds('/usr/bin/test', ['-x', path], as)
      if (reached === false) return `user ${as.uid} cannot reach ${path}`
      if (reached !== true) return `no program can be started as user ${as.uid}: ${reached}`
    }
  }
  return undefined
}

/** Whether a program ends with 0 as a user, or why it could not be started. */
async function succeeds(file: string, args: readonly string[], as: Identity): Promise<boolean | string> {
  try {
    return (await run(file, args, { cwd: '/', env: {}, as })).code === 0
  } catch (error) {
    return messageOf(error)
  }
}
