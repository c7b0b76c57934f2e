import * as z from 'zod'

/** Names that a folder of a workspace already has; a client, user, project or thread cannot be called so. */
const RESERVED = new Set(['metadata.json'])

const ID_RULE =
  "must be 1 to 128 characters out of A-Z a-z 0-9 . _ @ -, begin with a letter or digit, hold no '..', not end in '.' or '.lock', and not be a reserved name"

const id = z
  .string()
  .max(128, ID_RULE)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]*$/, ID_RULE)
  .refine((value) => !value.includes('..') && !value.endsWith('.') && !value.toLowerCase().endsWith('.lock'), ID_RULE)
  .refine((value) => !RESERVED.has(value.toLowerCase()), ID_RULE)

export const ClientId = id.brand<'ClientId'>()
export const UserId = id.brand<'UserId'>()
export const ProjectId = id.brand<'ProjectId'>()
export const ThreadId = id.brand<'ThreadId'>()
export const CommandId = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters without spaces')
  .brand<'CommandId'>()

export type ClientId = z.infer<typeof ClientId>
export type UserId = z.infer<typeof UserId>
export type ProjectId = z.infer<typeof ProjectId>
export type ThreadId = z.infer<typeof ThreadId>
export type CommandId = z.infer<typeof CommandId>

/** One client, user and project: a persistent folder with one git repository. */
export interface WorkspaceId {
  readonly clientId: ClientId
  readonly userId: UserId
  readonly projectId: ProjectId
}

/** One conversation in a workspace. */
export interface ThreadRef extends WorkspaceId {
  readonly threadId: ThreadId
}

/** `client/user/project`, the key of a workspace. The grammar of ids holds no slash, so two workspaces never share one. */
export type WorkspaceKey = string & { readonly __brand: 'WorkspaceKey' }
/** `client/user/project/thread`. */
export type ThreadKey = string & { readonly __brand: 'ThreadKey' }

const asKey = <Key extends string>(parts: readonly string[]): Key => parts.join('/') as Key // oxlint-disable-line typescript/no-unsafe-type-assertion -- the one place where keys are made

export const workspaceKey = (of: WorkspaceId): WorkspaceKey => asKey([of.clientId, of.userId, of.projectId])
export const threadKey = (of: ThreadRef): ThreadKey => asKey([of.clientId, of.userId, of.projectId, of.threadId])
