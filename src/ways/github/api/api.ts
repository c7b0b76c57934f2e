import { createAppAuth } from '@octokit/auth-app'
import { request } from '@octokit/request'
import type { EndpointDefaults, OctokitResponse, RequestInterface } from '@octokit/types'
import type { App } from './app.ts'
import { GitHubBusy, GitHubRefused, refusalOf } from './refusals.ts'

type Access = 'read' | 'write'

export interface RepositoryName {
  readonly owner: string
  readonly name: string
}

/** What a token may do, as GitHub names it. */
export interface Permissions {
  readonly contents?: Access
  readonly workflows?: 'write'
}

/** A token for one purpose, revoked when it is disposed of. */
export interface Minted extends AsyncDisposable {
  readonly token: string
}

export interface Connection {
  readonly apiUrl: string
  /** Asked before each request, since it may be entered while we run. */
  readonly app: () => Promise<App | undefined>
  /** Used where there is no app, or where it is not installed. */
  readonly token: string | undefined
  /** From here on the token is redacted everywhere. */
  readonly keepToken: (value: string) => void
  /** Ends what is being asked. */
  readonly stop: AbortSignal
}

/** The app, as GitHub knows it. */
interface Itself {
  readonly id: number
  /** What it is called in mentions. */
  readonly slug: string
}

/** No app is entered, or it is not installed in the repository, and there is no token either. */
export class NoAccess extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NoAccess'
  }
}

const TIMEOUT_MS = 20_000
/** GitHub wants less than a hundred at once (its documentation of secondary limits). */
const AT_ONCE = 20
/** How long it is believed that an app is installed where it was found. */
const INSTALLED_MS = 10 * 60_000

type Send = (options: EndpointDefaults) => Promise<OctokitResponse<unknown>>
type Auth = ReturnType<typeof createAppAuth>

/** GitHub's API, asked as the app or in the name of its installation. Nothing is repeated but a request whose token was no longer taken. */
export class GitHubApi {
  readonly #connection: Connection
  readonly #plain: RequestInterface
  #auth: { readonly app: App; readonly auth: Auth } | undefined
  #itself: Itself | undefined
  readonly #installations = new Map<string, { readonly id: number; readonly until: number }>()
  /** Requests that are under way, and those that wait for their turn. */
  #underWay = 0
  readonly #waiting: (() => void)[] = []
  /** GitHub wants to be left alone until then. */
  #pausedUntil = 0

  constructor(connection: Connection) {
    this.#connection = connection
    this.#plain = request.defaults({
      baseUrl: connection.apiUrl.replace(/\/$/, ''),
      headers: { 'user-agent': 'branchline', 'x-github-api-version': '2022-11-28' },
    })
    this.asApp = this.#hooked(async () => {
      const { token } = await (await this.#authOfApp()).auth({ type: 'app' })
      return `Bearer ${token}`
    })
  }

  get url(): string {
    return this.#connection.apiUrl
  }

  /** Requests of the app itself. @throws NoAccess, GitHubRefused, GitHubBusy */
  readonly asApp: RequestInterface

  /** Requests in a repository. @throws NoAccess, GitHubRefused, GitHubBusy */
  inRepository(repository: RepositoryName): RequestInterface {
    return this.#hooked((refresh) => this.#tokenIn(repository, refresh))
  }

  /** Who we are on GitHub. */
  async itself(): Promise<Itself> {
    await this.#authOfApp() // another key is another app, until GitHub says otherwise
    if (this.#itself !== undefined) return this.#itself
    const { data } = await this.asApp('GET /app')
    return (this.#itself = { id: data?.id ?? 0, slug: data?.slug ?? '' })
  }

  /** Whether an app is entered. */
  async hasApp(): Promise<boolean> {
    return (await this.#connection.app()) !== undefined
  }

  /** A token for this one repository, with these rights alone. @throws NoAccess, GitHubRefused, GitHubBusy */
  async mint(repository: RepositoryName, permissions: Permissions): Promise<Minted> {
    const installation = await this.#installationOf(repository)
    if (installation === undefined) {
      const { token } = this.#connection
      if (token === undefined) throw notInstalled(repository)
      return { token, [Symbol.asyncDispose]: async () => {} }
    }
    const asked = { installation_id: installation, repositories: [repository.name], permissions: { ...permissions, metadata: 'read' as const } }
    const { data } = await this.asApp('POST /app/installations/{installation_id}/access_tokens', asked).catch((error: unknown) => {
      throw notThere(error) ? notInstalled(repository) : error
    })
    this.#connection.keepToken(data.token)
    const revoke = async (): Promise<void> => {
      const authorized = this.#plain.defaults({ headers: { authorization: `token ${data.token}` }, request: { signal: AbortSignal.timeout(TIMEOUT_MS) } })
      await authorized('DELETE /installation/token').catch(() => {}) // it ends by itself within the hour
    }
    return { token: data.token, [Symbol.asyncDispose]: revoke }
  }

  #hooked(authorize: (refresh: boolean) => Promise<string>): RequestInterface {
    return this.#plain.defaults({
      request: {
        hook: async (send: Send, options: EndpointDefaults) => {
          if (Date.now() < this.#pausedUntil) throw new GitHubBusy('GitHub takes no more requests for now', this.#pausedUntil)
          const asked = async (refresh: boolean) => {
            const authorization = await authorize(refresh)
            const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#connection.stop])
            // Where an issue or repository was moved, what was to be written there would be read instead.
            const redirect = options.method === 'GET' ? 'follow' : 'manual'
            const answer = await send({
              ...options,
              headers: { ...options.headers, authorization },
              request: { ...options.request, hook: undefined, signal, redirect },
            })
            if (answer.status >= 300) throw new GitHubRefused(answer.status, 'it was moved elsewhere')
            return answer
          }
          return this.#inTurn(async () => {
            try {
              return await this.#translated(() => asked(false))
            } catch (error) {
              if (!(error instanceof GitHubRefused) || error.status !== 401) throw error
              return this.#translated(() => asked(true)) // the token was revoked; a new one is minted once
            }
          })
        },
      },
    })
  }

  /** Not too many at once: what an outage has held back would become a storm. */
  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#underWay >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#underWay += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#underWay -= 1
      else next()
    }
  }

  async #translated<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work()
    } catch (error) {
      const refusal = refusalOf(error, Date.now())
      if (refusal instanceof GitHubBusy && refusal.until !== undefined) this.#pausedUntil = Math.max(this.#pausedUntil, refusal.until)
      throw refusal
    }
  }

  async #authOfApp(): Promise<{ readonly app: App; readonly auth: Auth }> {
    const app = await this.#connection.app()
    if (app === undefined) throw new NoAccess('No GitHub App is set up: see docs/github.md.')
    if (this.#auth?.app.appId === app.appId && this.#auth.app.privateKey === app.privateKey) return this.#auth
    this.#installations.clear()
    this.#itself = undefined
    return (this.#auth = { app, auth: createAppAuth({ appId: app.appId, privateKey: app.privateKey, request: this.#plain }) })
  }

  async #tokenIn(repository: RepositoryName, refresh: boolean): Promise<string> {
    const installationId = await this.#installationOf(repository)
    if (installationId === undefined) {
      if (this.#connection.token === undefined) throw notInstalled(repository)
      return `token ${this.#connection.token}`
    }
    const { auth } = await this.#authOfApp()
    const { token } = await auth({ type: 'installation', installationId, repositoryNames: [repository.name], refresh }).catch((error: unknown) => {
      throw notThere(error) ? notInstalled(repository) : error
    })
    this.#connection.keepToken(token)
    return `token ${token}`
  }

  async #installationOf(repository: RepositoryName): Promise<number | undefined> {
    const app = await this.#connection.app()
    if (app === undefined) return undefined
    if (app.installationId !== undefined) return app.installationId
    const key = `${repository.owner}/${repository.name}`.toLowerCase()
    const known = this.#installations.get(key)
    if (known !== undefined && known.until > Date.now()) return known.id
    try {
      const { data } = await this.asApp('GET /repos/{owner}/{repo}/installation', { owner: repository.owner, repo: repository.name })
      this.#installations.set(key, { id: data.id, until: Date.now() + INSTALLED_MS })
      return data.id
    } catch (error) {
      if (error instanceof GitHubRefused && error.status === 404) return undefined
      throw error
    }
  }
}

/** No token is to be had there: the installation, or the repository in it, does not exist. */
const notThere = (error: unknown): boolean => error instanceof Error && 'status' in error && (error.status === 404 || error.status === 422)

const notInstalled = ({ owner, name }: RepositoryName): NoAccess =>
  new NoAccess(`There is no access to ${owner}/${name}: the GitHub App is not installed there, or lacks a permission, and GITHUB_TOKEN is not set.`)
