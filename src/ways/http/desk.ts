import type { Context } from 'hono'
import type { Command } from '../../command/command.ts'
import type { Result } from '../../command/result.ts'
import type { Engine } from '../../engine/engine.ts'
import { standing, workspaceOrigin, type Standing } from '../../engine/inspect.ts'
import type { Tools } from '../../engine/tools.ts'
import { refOf, type CommandRecord } from '../../journal/journal.ts'
import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'
import { authorOf, requireReach, type Caller } from './access.ts'
import type { Console } from './console.ts'
import type { Jobs } from './jobs.ts'
import type { ThreadLinks } from './links.ts'
import type { Presence } from './presence.ts'
import type { PictureLinks } from './picture-links.ts'
import { Problem } from './problem.ts'
import type { Vault } from '../../vault/vault.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { GitHubApi } from '../github/api/api.ts'
import type { GitHubWay } from '../github/way.ts'
import type { GitHubAccess } from '../../workspace/origin.ts'
import type { Defaults } from './requests.ts'
import type { Waiting } from './waiting.ts'

/** A way to one preview, for whoever is given it. */
interface PreviewLink {
  readonly path: string
  /** ms since the epoch. */
  readonly expiresAt: number
}

/** The key of the model, where a person may enter it. */
export interface ModelKey {
  /** Answers why it is not used, where it is not. */
  enter(key: string, busy: () => boolean): Promise<string | undefined>
  forget(): Promise<void>
}

/** What the routes work with. */
export interface Desk {
  readonly engine: Engine
  readonly tools: Tools
  readonly waiting: Waiting
  readonly defaults: Defaults
  readonly version: string
  readonly metrics: Metrics
  readonly github: {
    readonly api: GitHubApi
    readonly access: GitHubAccess
    /** Where credentials of an app are kept; `undefined` without VAULT_KEY. */
    readonly vault: Vault | undefined
    readonly issues: GitHubWay | undefined
    /** From here on this token is used for the repository behind a URL. */
    readonly useToken: (repoUrl: string, token: string) => void
    /** From here on the value is redacted everywhere. */
    readonly keepSecret: (value: string) => void
    /** The guided set-up of an app; `undefined` where GitHub could not reach what comes of it. */
    readonly setUp: { readonly token: string; readonly publicUrl: string; readonly workflows: boolean } | undefined
  }
  /** What a Worker hands in. */
  readonly jobs: Jobs
  /** Links to previews that not everybody may see; `undefined` where whoever reaches them sees them. */
  readonly previewLink: ((label: string, lastsMs: number) => PreviewLink) | undefined
  /** Links to pictures; `undefined` where nobody but callers of this API sees them. */
  readonly pictureLinks: PictureLinks | undefined
  /** The key of the model that a person may enter; `undefined` where the operator has said how the model is reached. */
  readonly enteredKey: ModelKey | undefined
  /** Links to threads; `undefined` where nobody needs a token. */
  readonly threadLinks: ThreadLinks | undefined
  /** Where others reach the service, where that was configured. */
  readonly publicUrl: string | undefined
  readonly presence: Presence
  /** The web console; `undefined` where it was not made at set-up. */
  readonly console: () => Promise<Console | undefined>
  /** Where previews are, as a content security policy names it; `undefined` where there are none. */
  readonly previewOrigins: string | undefined
  /** Aborts when the service stops: open requests and streams end. */
  readonly stopping: AbortSignal
}

export const stateOf = ({ state, result }: CommandRecord) => {
  if (state !== 'ended' || result === undefined) return state === 'ended' ? 'failed' : state
  if (result.success) return 'completed'
  return result.code === 'interrupted' || result.code === 'superseded' || result.code === 'withdrawn' ? result.code : 'failed'
}

/** Until when a command waits for the model. */
export const waitingUntil = ({ state, note }: CommandRecord): { readonly waitingUntil?: string } =>
  state === 'queued' && note?.until !== undefined && note.until > Date.now() ? { waitingUntil: new Date(note.until).toISOString() } : {}

const executed = (result: Result) => ({ success: result.success, result, ...(result.error === undefined ? {} : { error: result.error }) })

/** Hands a command in, and answers with its result, or at once where the caller does not want to wait. */
export async function submit(
  asked: Command,
  wait: boolean | undefined,
  { c, caller }: { readonly c: Context; readonly caller: Caller },
  desk: Desk,
): Promise<Response> {
  const command: Command = { ...asked, ...authorOf(caller) }
  requireReach(caller, command)
  await refuseOtherRepository(command, command.repoUrl, desk)
  const over = new AbortController()
  const answered = desk.waiting.for(refOf(command), AbortSignal.any([over.signal, desk.stopping, c.req.raw.signal]))
  try {
    const record = await recorded(command, desk)
    if (record.result !== undefined) return c.json(executed(record.result))
    const early = wait === false || (wait === undefined && /(^|[\s,;])respond-async([\s,;]|$)/i.test(c.req.header('prefer') ?? ''))
    const result = early ? undefined : await answered
    if (result !== undefined) return c.json(executed(result))
    const location = locationOf(record)
    return c.json({ success: true, commandId: command.commandId, state: stateOf(record), location }, 202, {
      location,
      ...(early ? { 'preference-applied': 'respond-async' } : {}),
    })
  } finally {
    over.abort()
  }
}

/** Hands a command in and waits for its result, for a route that goes on from there. */
export async function outcome(command: Command, gone: AbortSignal, desk: Pick<Desk, 'engine' | 'stopping' | 'waiting'>): Promise<Result> {
  const answered = desk.waiting.for(refOf(command), AbortSignal.any([desk.stopping, gone]))
  const result = (await recorded(command, desk)).result ?? (await answered)
  if (result === undefined)
    throw new Problem(503, 'Shutting down', 'The service is shutting down; send the same request again in a moment.', [], { 'retry-after': '5' })
  return result
}

/** Hands a command in, durably. @throws Problem where it is not accepted */
export async function recorded(command: Command, { engine }: Pick<Desk, 'engine'>): Promise<CommandRecord> {
  const accepted = await engine.accept(command, 'http')
  switch (accepted.kind) {
    case 'closed':
      throw new Problem(503, 'Shutting down', 'The service is shutting down; send the same command again in a moment.', [], { 'retry-after': '5' })
    case 'full':
      throw full()
    case 'backlog':
      throw new Problem(
        503,
        'Too many undelivered results',
        'Results cannot be delivered, so nothing more is accepted; send the same command again later.',
        [],
        {
          'retry-after': '60',
        },
      )
    case 'conflict':
      throw new Problem(409, 'Conflict', `commandId: ${command.commandId} was used before for another command`, [
        { pointer: '#/commandId', detail: 'was used before for another command' },
      ])
    case 'accepted':
    case 'duplicate':
      return accepted.record
  }
}

export const full = (): Problem =>
  new Problem(
    507,
    'No room',
    'The disk of the service is full, so what this message asks for could not be kept. Nothing was accepted; send it again later.',
    [],
    {
      'retry-after': '60',
    },
  )

/** A workspace keeps the repository that it began from. @throws Problem 409 */
export async function refuseOtherRepository(of: WorkspaceId, repoUrl: string | undefined, desk: Desk): Promise<void> {
  if (repoUrl === undefined) return
  const { known, url } = await workspaceOrigin(of, desk.tools)
  if (!known || url === repoUrl) return
  throw new Problem(409, 'Another repository', `repoUrl: this workspace began from ${url ?? 'a repository without origin'}`, [
    { pointer: '#/repoUrl', detail: 'is not the repository of this workspace' },
  ])
}

/** Where the result of a command can be read; names the workspace, since ids are unique only in one. */
export function locationOf({ command }: CommandRecord): string {
  const query = new URLSearchParams({ clientId: command.clientId, userId: command.userId, projectId: command.projectId })
  return `/api/commands/${encodeURIComponent(command.commandId)}?${query.toString()}`
}

/** @throws Problem 404 where there is no such thread */
export async function knownThread(ref: ThreadRef, desk: Desk): Promise<Standing> {
  const found = await standing(ref, desk.tools)
  if (found === undefined) throw new Problem(404, 'Not found', `threadId: there is no thread ${ref.threadId} in this workspace`)
  return found
}
