import { createHash } from 'node:crypto'
import type { ClientId, ProjectId, UserId } from '../../src/command/ids.ts'
import { queueName } from '../../src/queues/names.ts'

/** One client, project and user: what has a container of its own. */
export interface Who {
  readonly clientId: ClientId
  readonly projectId: ProjectId
  readonly userId: UserId
}

/** A label of a host name has 63 characters at most; half of that leaves room for the domain in a certificate (64 in all). */
const MAX_SLUG = 32
const HASH = 8
const DIRECTORY_LEVELS = ['clientId', 'userId', 'projectId'] as const

const hashOf = (parts: readonly string[], length: number): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, length)

/**
 * `{client}-{project}-{user}` as stacks, services and host names may be called. A hash tells those apart that would otherwise be the
 * same: where letters are changed or cut off, and where dashes could be read in several ways.
 */
export function slugOf({ clientId, projectId, userId }: Who): string {
  const parts = [clientId, projectId, userId]
  const whole = parts.join('-')
  const plain = whole.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  if (plain === whole && whole.length <= MAX_SLUG && !parts.some((part) => part.includes('-'))) return whole
  return `${plain.slice(0, MAX_SLUG - HASH - 1).replace(/-+$/, '')}-${hashOf(parts, HASH)}`
}

export interface QueueNames {
  readonly input: string
  readonly output: string
  readonly dead: string
}

/** Queues as the service itself would call them. That of dead letters takes its place in the name of the input queue, which is longer. */
export function queueNamesOf(prefix: string, { clientId, projectId, userId }: Who): QueueNames {
  const name = (use: 'input' | 'output'): string => queueName(prefix, use, [clientId, projectId, userId], true)
  return { input: name('input'), output: name('output'), dead: `${prefix}-dead-${name('input').slice(`${prefix}-input-`.length)}` }
}

/** Prefixes of queues have 20 characters at most (QUEUE_PREFIX). */
const PREFIX_NAME = 9
const PREFIX_HASH = 10

/** The name of an installation as far as names of queues of threads have it. */
export const threadNameOf = (name: string): string => name.slice(0, PREFIX_NAME)

/**
 * What the queues of a user's threads begin with. All prefixes of an installation are equally long, so a right to `{prefix}-*` reaches
 * the queues of no other user, which one to `{name}-input-{client}-*` would where one id begins as another does.
 */
export const threadPrefixOf = (name: string, { clientId, projectId, userId }: Who): string =>
  `${threadNameOf(name)}-${hashOf([name, clientId, projectId, userId], PREFIX_HASH)}`

/** Folders of EFS tell letter case apart and have 100 characters at most here (the path of an access point). */
const MAX_DIRECTORY = 28

/**
 * `/{client}/{user}/{project}`, the folder of one workspace on the file system. Each level has a hash where the id does not fit. Two
 * levels of one workspace are never those of another, since none holds a slash.
 */
export const directoryOf = (who: Who): string =>
  `/${DIRECTORY_LEVELS.map((level) => {
    const id: string = who[level]
    return id.length <= MAX_DIRECTORY && /^[A-Za-z0-9_-]+$/.test(id)
      ? id
      : `${id.slice(0, MAX_DIRECTORY - HASH - 1).replaceAll(/[^A-Za-z0-9_-]/g, '_')}.${hashOf([id], HASH)}`
  }).join('/')}`

/** What a listener of the load balancer takes. */
const PRIORITIES = 50_000

/**
 * Two priorities for the rules of each user, in the order of the slugs given. They come from the slug, so that a user who leaves or is
 * added moves nobody else's; one that is taken makes way to the next.
 */
export function prioritiesOf(slugs: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Map<number, string>()
  for (const slug of slugs) {
    let at = Number.parseInt(hashOf([slug], HASH), 16) % (PRIORITIES / 2)
    while (taken.has(at)) at = (at + 1) % (PRIORITIES / 2)
    taken.set(at, slug)
  }
  return new Map([...taken].map(([at, slug]) => [slug, 2 * at + 1]))
}
