import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

const makeKeys = promisify(generateKeyPair)

export type Level = 'read' | 'write'
export type Permissions = Readonly<Record<string, Level>>
/** What a login may do in a repository; `broken` makes GitHub fail when it is asked. */
export type Role = 'admin' | 'maintain' | 'write' | 'triage' | 'read' | 'none' | 'broken'

export interface App {
  readonly id: number
  readonly clientId: string
  readonly clientSecret: string
  readonly slug: string
  readonly name: string
  /** PKCS#1, as GitHub hands it out. */
  readonly privateKey: string
  readonly publicKey: KeyObject
  readonly webhookSecret: string
  readonly installationId: number
  /** What its installations grant. */
  readonly permissions: Permissions
}

export interface IssueComment {
  readonly id: number
  readonly number: number
  readonly user: string
  body: string
  readonly createdAt: string
  updatedAt: string
  /** The app wrote it by the API. */
  readonly byApp: boolean
}

export interface ReviewComment {
  readonly id: number
  readonly number: number
  readonly user: string
  readonly body: string
  readonly path: string
  readonly line: number
  readonly commit: string
  readonly inReplyTo: number | undefined
  readonly createdAt: string
}

export interface Reaction {
  readonly id: number
  readonly on: 'issue' | 'comment' | 'review comment'
  /** Number of the issue or id of the comment. */
  readonly of: number
  readonly content: string
}

export interface CheckRun {
  readonly id: number
  readonly name: string
  readonly sha: string
  readonly status: string
  readonly conclusion: string | null
  readonly summary: string | null
  readonly at: string
}

/** What makes an issue a pull request. */
export interface PullPart {
  readonly head: string
  base: string
  draft: boolean
  /** The last known commits of both, so that they outlive their branches. */
  headSha: string
  baseSha: string
  mergedAt: string | undefined
  mergeCommit: string | undefined
  /** The owner of the fork that the head is in. */
  readonly fork: string | undefined
}

export interface Issue {
  readonly number: number
  readonly id: number
  title: string
  body: string | null
  readonly user: string
  readonly labels: string[]
  readonly assignees: string[]
  state: 'open' | 'closed'
  readonly createdAt: string
  updatedAt: string
  closedAt: string | undefined
  readonly pull: PullPart | undefined
}

export interface Pull extends Issue {
  readonly pull: PullPart
}

export interface Repository {
  readonly id: number
  readonly owner: string
  readonly name: string
  readonly private: boolean
  readonly installationId: number
  /** The bare git repository. */
  readonly path: string
  readonly defaultBranch: string
  readonly issues: Issue[]
  readonly comments: IssueComment[]
  readonly reviewComments: ReviewComment[]
  readonly checkRuns: CheckRun[]
}

export interface Token {
  readonly token: string
  readonly installationId: number
  /** Full names. */
  readonly repositories: readonly string[]
  /** It was narrowed to those. */
  readonly selected: boolean
  readonly permissions: Permissions
  readonly expiresAt: string
  revoked: boolean
}

export interface Delivery {
  readonly id: number
  readonly guid: string
  readonly event: string
  readonly action: string | null
  readonly deliveredAt: string
  readonly duration: number
  /** GitHub's word for how it went; `OK` is good. */
  readonly status: string
  readonly statusCode: number
  readonly url: string
  readonly installationId: number | null
  readonly repositoryId: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Readonly<Record<string, unknown>>
  readonly answer: string
  readonly redelivery: boolean
}

export interface RequestRecord {
  readonly method: string
  readonly path: string
  /** Without its question mark. */
  readonly query: string
  readonly at: number
  readonly body: unknown
}

export interface Push {
  readonly repository: string
  readonly token: string
  /** The refs that moved, and where to. */
  readonly refs: Readonly<Record<string, string>>
}

export interface State {
  url: string
  app: App
  readonly root: string
  readonly repositories: Repository[]
  readonly tokens: Token[]
  readonly deliveries: Delivery[]
  readonly reactions: Reaction[]
  readonly requests: RequestRecord[]
  readonly pushes: Push[]
  readonly problems: string[]
  readonly permissions: Map<string, Role>
  /** Codes of manifests that nobody has converted yet. */
  readonly manifests: Map<string, Manifest>
  readonly logins: Map<string, number>
  webhookUrl: string | undefined
  /** What the app does by the API is told to it by webhooks. */
  readonly echo: boolean
  /** So many answers do not know yet whether a pull request can be merged. */
  mergeUnknown: number
  readonly next: () => number
}

/** What an app is asked to become, in the words of GitHub's manifests. */
export interface Manifest {
  readonly name?: string | undefined
  readonly hook_attributes?: { readonly url?: string | undefined } | undefined
  readonly default_permissions?: Permissions | undefined
}

export const GRANTED: Permissions = { metadata: 'read', contents: 'write', issues: 'write', pull_requests: 'write', checks: 'read' }

/** A new app with keys of its own. */
export async function makeApp(next: () => number, name: string, permissions: Permissions, installationId: number): Promise<App> {
  const keys = await makeKeys('rsa', { modulusLength: 2048 })
  const id = next()
  return {
    id,
    clientId: `Iv23li${id.toString(36).padStart(14, '0')}`,
    clientSecret: `CANARY${id}client0000`,
    slug: name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'),
    name,
    privateKey: keys.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    publicKey: keys.publicKey,
    webhookSecret: `CANARY-webhook-secret-${id}`,
    installationId,
    permissions: { ...permissions, metadata: 'read' },
  }
}

export const botOf = (app: App): string => `${app.slug}[bot]`
export const fullName = (repository: Repository): string => `${repository.owner}/${repository.name}`
/** GitHub tells whole seconds. */
export const now = (): string => `${new Date().toISOString().slice(0, 19)}Z`
export const isPull = (issue: Issue): issue is Pull => issue.pull !== undefined

export function idOf(state: State, login: string): number {
  const id = state.logins.get(login) ?? state.next()
  state.logins.set(login, id)
  return id
}

export function findRepository(state: State, owner: string, name: string): Repository | undefined {
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  return state.repositories.find((repository) => same(repository.owner, owner) && same(repository.name, name))
}

/** Issues and pull requests share their numbers. */
export function addIssue(state: State, repository: Repository, { title, body, user, pull }: Pick<Issue, 'title' | 'body' | 'user' | 'pull'>): Issue {
  const at = now()
  const issue: Issue = {
    number: repository.issues.length + 1,
    id: state.next(),
    title,
    body,
    user,
    pull,
    labels: [],
    assignees: [],
    state: 'open',
    createdAt: at,
    updatedAt: at,
    closedAt: undefined,
  }
  repository.issues.push(issue)
  return issue
}
