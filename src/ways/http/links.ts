import * as z from 'zod'
import { ClientId, ProjectId, ThreadId, UserId, type ThreadRef } from '../../command/ids.ts'
import type { Caller } from './access.ts'
import { isSignature, signatureOf } from './signature.ts'

/** What stands in a token that a link holds: short names, because it is in an address. */
const Granted = z.strictObject({
  c: ClientId,
  u: UserId,
  p: ProjectId,
  t: ThreadId,
  r: z.enum(['view', 'work']),
  n: z.string().max(60),
  /** ms since the epoch. */
  e: z.number(),
})

export interface Grant {
  readonly thread: ThreadRef
  readonly role: 'view' | 'work'
  /** Under which name whoever follows it is seen. */
  readonly name: string
  /** ms since the epoch. */
  readonly expiresAt: number
}

/** Tokens for one thread, for a while, in a role: for links to people who have no token of their own. Signed, so none is kept; another key ends all of them. */
export class ThreadLinks {
  readonly #key: Buffer

  constructor(key: Buffer) {
    this.#key = key
  }

  /** `link.{what is granted}.{signature}` */
  token({ thread, role, name, expiresAt }: Grant): string {
    const granted: z.infer<typeof Granted> = { c: thread.clientId, u: thread.userId, p: thread.projectId, t: thread.threadId, r: role, n: name, e: expiresAt }
    const text = Buffer.from(JSON.stringify(granted)).toString('base64url')
    return `link.${text}.${signatureOf(this.#key, `thread ${text}`)}`
  }

  /** Who calls with this token; `undefined` where it is none of ours, or has expired. */
  caller(token: string): Caller | undefined {
    const [, text = '', signature = ''] = /^link\.([\w-]{1,2000})\.([\w-]{43})$/.exec(token) ?? []
    if (text === '' || !isSignature(signature, this.#key, `thread ${text}`)) return undefined
    const { data: granted } = Granted.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()))
    if (granted === undefined || granted.e <= Date.now()) return undefined
    const { c: clientId, u: userId, p: projectId, t: threadId, r: role, n: name } = granted
    return { name, role, clientId, userId, thread: { clientId, userId, projectId, threadId }, expiresAt: granted.e }
  }
}
