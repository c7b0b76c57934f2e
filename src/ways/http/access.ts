import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { ClientId, UserId, type ThreadRef } from '../../command/ids.ts'
import type { ThreadLinks } from './links.ts'
import { Problem } from './problem.ts'

const ROLES = ['view', 'work', 'administer'] as const
export type Role = (typeof ROLES)[number]

const TokenEntry = z.strictObject({
  name: z.string().min(1).max(200),
  token: z.string().min(16, 'must be at least 16 characters'),
  role: z.enum(ROLES),
  clientId: ClientId.optional(),
  userId: UserId.optional(),
})

/** Who calls, and what that caller may do; bound to a client or user where these are set. */
export interface Caller {
  readonly name: string
  readonly role: Role
  readonly clientId?: ClientId | undefined
  readonly userId?: UserId | undefined
  /** The only thread that it may see and work in: whoever follows a link. */
  readonly thread?: ThreadRef | undefined
  /** When that ends, in ms since the epoch. */
  readonly expiresAt?: number | undefined
}

/** Whoever calls where no token is needed. */
export const ANYBODY: Caller = { name: 'local', role: 'administer' }

/** What ends with the caller's own right. */
export const untilExpiry = ({ expiresAt }: Caller): readonly AbortSignal[] =>
  expiresAt === undefined ? [] : [AbortSignal.timeout(Math.min(LONGEST_TIMER_MS, Math.max(0, expiresAt - Date.now())))]
/** Node takes no longer ones; a stream is taken up again. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Who is named as the author of a message. */
export const authorOf = (caller: Caller): { readonly author?: string } => (caller === ANYBODY ? {} : { author: caller.name })

interface Entry extends Caller {
  readonly digest: Buffer
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** The callers that are let in. Without any token everybody on this machine may do everything. */
export class Callers {
  readonly #entries: readonly Entry[]
  readonly #links: ThreadLinks | undefined
  constructor(entries: readonly Entry[], links?: ThreadLinks) {
    this.#entries = entries
    this.#links = links
  }

  /** The same, and who follows one of these links. */
  withLinks(links: ThreadLinks): Callers {
    return new Callers(this.#entries, links)
  }

  /** Nobody needs a token. */
  get open(): boolean {
    return this.#entries.length === 0
  }

  /** @throws Problem 401 */
  identify(authorization: string | undefined): Caller {
    if (this.open) return ANYBODY
    const token = authorization?.replace(/^Bearer /, '') ?? ''
    const shown = digestOf(token)
    const found: Caller | undefined = this.#entries.filter((entry) => timingSafeEqual(entry.digest, shown))[0] ?? this.#links?.caller(token)
    if (found === undefined)
      throw new Problem(401, 'Not signed in', 'Authorization: a valid token is needed, as `Authorization: Bearer …`', [], { 'www-authenticate': 'Bearer' })
    return found
  }
}

/** A file of tokens cannot be used; the message says why. */
export class BadTokens extends Error {
  constructor(message: string) {
    super(`API_TOKENS_FILE: ${message}`)
    this.name = 'BadTokens'
  }
}

/**
 * Reads the tokens of the configuration.
 *
 * @throws BadTokens
 */
export function readCallers(apiToken: string | undefined, file: string | undefined): { readonly callers: Callers; readonly secrets: readonly string[] } {
  const own = apiToken === undefined ? [] : [{ name: 'API_TOKEN', token: apiToken, role: 'administer' as const }]
  const listed = file === undefined ? [] : readTokens(file)
  const all = [...own, ...listed]
  return {
    callers: new Callers(all.map(({ token, ...caller }) => ({ ...caller, digest: digestOf(token) }))),
    secrets: all.map((each) => each.token),
  }
}

function readTokens(file: string): readonly z.infer<typeof TokenEntry>[] {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new BadTokens(`cannot be read as JSON (${error instanceof Error ? error.message.slice(0, 200) : 'unknown'})`)
  }
  const parsed = z.array(TokenEntry).min(1, 'must hold at least one token').safeParse(content)
  if (!parsed.success) throw new BadTokens(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  return parsed.data
}

/** @throws Problem 403 where the caller's role is not enough */
export function requireRole(caller: Caller, role: Role): void {
  if (ROLES.indexOf(caller.role) < ROLES.indexOf(role))
    throw new Problem(403, 'Not allowed', `This token may ${caller.role}; this request needs one that may ${role}.`)
}

/** What is asked for: something of a user, or of one thread. */
type Of = Pick<ThreadRef, 'clientId' | 'userId'> & { readonly [Name in 'projectId' | 'threadId']?: ThreadRef[Name] | undefined }

const sameThread = (thread: ThreadRef, of: Of): boolean =>
  thread.threadId === of.threadId && thread.projectId === of.projectId && thread.clientId === of.clientId && thread.userId === of.userId

/** Whether a caller may see what is asked for. */
export const reaches = (caller: Caller, of: Of): boolean =>
  (caller.clientId === undefined || caller.clientId === of.clientId) &&
  (caller.userId === undefined || caller.userId === of.userId) &&
  (caller.thread === undefined || sameThread(caller.thread, of))

/** @throws Problem 403 where the caller is bound to another client, user or thread */
export function requireReach(caller: Caller, of: Of): void {
  if (caller.clientId !== undefined && caller.clientId !== of.clientId) throw new Problem(403, 'Not allowed', 'clientId: this token is for another client')
  if (caller.userId !== undefined && caller.userId !== of.userId) throw new Problem(403, 'Not allowed', 'userId: this token is for another user')
  if (!reaches(caller, of)) throw new Problem(403, 'Not allowed', 'threadId: this link is for another thread')
}

/** @throws Problem 403 where the route is about more than the thread that the caller is bound to */
export function requireRoute({ thread }: Caller, { url, forLinks }: { readonly url: string; readonly forLinks?: true }): void {
  if (thread !== undefined && forLinks !== true && !/\{(?:threadId|commandId)\}/.test(url))
    throw new Problem(403, 'Not allowed', 'This link is for one thread; that needs a token.')
}
