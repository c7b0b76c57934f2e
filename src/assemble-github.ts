import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { BadConfiguration, type Config } from './config.ts'
import type { Engine } from './engine/engine.ts'
import { standing, threadChangedFiles, threadConflicts } from './engine/inspect.ts'
import { park } from './engine/parking.ts'
import type { Tools } from './engine/tools.ts'
import { githubUrl, repositoryOf, type RepositoryName } from './git/github-url.ts'
import { AccessBusy, type Authorize, type Remote } from './git/remote.ts'
import type { Secrets } from './observe/redact.ts'
import { Vault, VaultLocked } from './vault/vault.ts'
import { GitHubApi, NoAccess } from './ways/github/api/api.ts'
import { GitHubBusy } from './ways/github/api/refusals.ts'
import { readApp } from './ways/github/api/app.ts'
import { Progress } from './ways/github/out/progress.ts'
import { IssueThreads } from './ways/github/threads.ts'
import type { PictureLinks } from './ways/http/picture-links.ts'
import { GitHubWay } from './ways/github/way.ts'
import { writeAtomically } from './workspace/files.ts'
import { basic, operatorOrigin, requestedOrigin, type GitHubAccess } from './workspace/origin.ts'

/** Whose values the vault of a service holds. */
const TENANT = 'branchline'

/** The vault of the service, where it has a key. @throws BadConfiguration, VaultLocked, BadVaultKey */
export async function openVault({ VAULT_KEY: key }: Config, file: string, secrets: Secrets, { readOnly = false } = {}): Promise<Vault | undefined> {
  const read = (): Promise<string | undefined> =>
    readFile(file, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    })
  if (key === undefined) {
    if ((await read()) === undefined) return undefined
    throw new BadConfiguration([`VAULT_KEY: is needed, because there is a vault (${file}); without it the credentials in it cannot be read`])
  }
  const store = { read, write: async (text: string) => (readOnly ? undefined : writeAtomically(file, text)) }
  const vault = await Vault.open(store, key, TENANT).catch((error: unknown) => {
    throw error instanceof VaultLocked ? new VaultLocked(`${error.message} It is kept in ${file}.`) : error
  })
  const app = await readApp(vault)
  for (const secret of app === undefined ? [] : [app.privateKey, ...app.webhookSecrets]) secrets.keep(secret)
  return vault
}

/** The guided set-up of an app, for whoever reads what the service says at its start. */
export const setUpOf = ({ PUBLIC_URL: publicUrl, PUSH_WORKFLOWS: workflows, PORT }: Config, vault: Vault | undefined) =>
  publicUrl === undefined || vault === undefined || PORT === 'off' ? undefined : { token: randomBytes(24).toString('base64url'), publicUrl, workflows }

/** How GitHub stands, for whoever starts the service; `undefined` where nothing was said of it. Whoever has the link may set up an app. */
export async function githubLine({ PUBLIC_URL }: Config, vault: Vault | undefined, setUp: ReturnType<typeof setUpOf>): Promise<string | undefined> {
  if (vault === undefined) return PUBLIC_URL === undefined ? undefined : 'no app: set VAULT_KEY to set one up'
  const app = await readApp(vault)
  if (app !== undefined) return `app ${app.appId}`
  return setUp === undefined ? 'no app yet: see docs/github.md' : `no app yet; make one: ${setUp.publicUrl}/setup/github?token=${setUp.token}`
}

/** The name under which others reach the service. */
export const publicHost = ({ PUBLIC_URL: url }: Config): readonly string[] => (url === undefined ? [] : [new URL(url).hostname])

export interface GitHubParts {
  readonly api: GitHubApi
  readonly access: GitHubAccess
  readonly remoteFor: (url: string) => Remote
  /** From here on this token is used for the repository behind a URL of GitHub. */
  readonly useToken: (repoUrl: string, token: string) => void
}

/** GitHub's API, and how repositories there are cloned and pushed to: each time by a token for that one alone. */
export function assembleApi(config: Config, vault: Vault | undefined, secrets: Secrets, stop: AbortSignal): GitHubParts {
  const api = new GitHubApi({
    apiUrl: config.GITHUB_API_URL,
    app: async () => (vault === undefined ? undefined : readApp(vault)),
    token: config.GITHUB_TOKEN,
    keepToken: (value) => secrets.keepToken(value),
    stop,
  })
  const workflows = config.PUSH_WORKFLOWS ? { workflows: 'write' as const } : {}
  const given = new Map<string, string>()
  const keyOf = ({ owner, name }: RepositoryName): string => `${owner}/${name}`.toLowerCase()
  const nothing = { value: undefined, [Symbol.asyncDispose]: async () => {} }
  const authorize =
    (repository: RepositoryName): Authorize =>
    async (access) => {
      const token = given.get(keyOf(repository))
      if (token !== undefined) return { ...nothing, value: basic('x-access-token', token) }
      if (vault === undefined && config.GITHUB_TOKEN === undefined) return nothing
      try {
        const minted = await api.mint(repository, { contents: access, ...(access === 'write' ? workflows : {}) })
        return { value: basic('x-access-token', minted.token), [Symbol.asyncDispose]: () => minted[Symbol.asyncDispose]() }
      } catch (error) {
        if (error instanceof GitHubBusy) throw new AccessBusy(error.message, error.until, error)
        if (access === 'read' && error instanceof NoAccess) return nothing // everybody may read it, or git says so
        throw error
      }
    }
  const access: GitHubAccess = { url: githubUrl(config.GITHUB_API_URL), authorize }
  const remoteFor = (url: string): Remote => {
    const own = config.origin?.url === url ? config.origin : undefined
    const remote = own?.authorization !== undefined ? own : own === undefined ? requestedOrigin(url, access) : operatorOrigin(url, access)
    return { ...remote, env: config.networkEnv }
  }
  const useToken = (repoUrl: string, token: string): void => {
    const repository = repositoryOf(repoUrl, access.url)
    if (repository === undefined) return
    secrets.keepToken(token)
    given.set(keyOf(repository), token)
  }
  return { api, access, remoteFor, useToken }
}

/** The way by which issues come, where there is a vault that may hold an app. */
export function assembleGitHub(
  config: Config,
  tools: Tools,
  engine: () => Engine,
  parts: GitHubParts & { readonly vault: Vault; readonly pictureLinks: PictureLinks | undefined },
): GitHubWay {
  const { api, access, vault, pictureLinks } = parts
  const threads = new IssueThreads(tools.journal.memos, tools.once)
  const progress = new Progress({
    api,
    threads,
    webUrl: access.url,
    get simulated() {
      return tools.simulated
    },
    tell: (ref, event) => tools.events(ref).append(event),
    once: tools.once,
    log: tools.log,
    everyMs: config.GITHUB_PROGRESS_SECONDS * 1000,
  })
  const own = config.origin?.url
  return new GitHubWay(
    {
      api,
      journal: tools.journal,
      threads,
      progress,
      works: () => ({
        accept: (command, way, reply) => engine().accept(command, way, reply),
        interrupt: (ref) => engine().interrupt(ref),
        park: (ref) => park(ref, engine(), tools),
        changes: async (ref) => {
          const found = await standing(ref, tools)
          const checkpoints = await tools.journal.checkpoints(ref)
          return { files: found === undefined ? [] : await threadChangedFiles(found), subjects: checkpoints.map(({ subject }) => subject) }
        },
        unresolved: async (ref, files) => {
          const found = await standing(ref, tools)
          return found === undefined ? [] : threadConflicts(found, files)
        },
        mayConflict: async () => true, // a merge costs nothing here where there is nothing to do
        tipOf: async (ref) => (await standing(ref, tools))?.tip,
      }),
      fixed: { clientId: config.CLIENT_ID, userId: config.USER_ID, projectId: config.PROJECT_ID },
      repositoryUrl: ({ owner, name }) => {
        const url = `${access.url}/${owner}/${name}.git`
        return own !== undefined && own.replace(/\.git$/, '').toLowerCase() === url.replace(/\.git$/, '').toLowerCase() ? own : url
      },
      maxCostUsd: config.MAX_COST_USD,
      pictureUrl: pictureLinks === undefined ? undefined : (ref, path) => pictureLinks.url(ref, path),
      log: tools.log,
    },
    vault,
    {
      missedMs: config.GITHUB_MISSED_SECONDS * 1000,
      unfinished: async () => (await tools.journal.unfinished()).filter(({ way }) => way === 'github').map(({ command }) => command),
    },
  )
}
