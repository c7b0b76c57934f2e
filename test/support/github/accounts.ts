import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { fullName, idOf, type App, type Repository, type State } from './state.ts'

export type Shape = Readonly<Record<string, unknown>>

export const DESCRIPTION = fileURLToPath(new URL('description.json', import.meta.url))

const shape = z.record(z.string(), z.unknown())
const description = z
  .object({
    paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))),
    components: z.object({ examples: z.record(z.string(), z.object({ value: z.unknown() })) }),
  })
  .parse(JSON.parse(readFileSync(DESCRIPTION, 'utf8')))

export const OPERATIONS: readonly string[] = Object.values(description.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))

/** GitHub's own example, for all that this double does not care about. */
export const example = (name: string): Shape => shape.parse(description.components.examples[name]?.value)

export const ofRepository = (state: State, repository: Repository, rest = ''): string => `${state.url}/repos/${fullName(repository)}${rest}`
export const page = (state: State, repository: Repository, rest = ''): string => `${state.url}/${fullName(repository)}${rest}`
export const node = (kind: string, id: number): string => `${kind}_${id.toString(36).padStart(8, '0')}`

export function user(state: State, login: string): Shape {
  const bot = login.endsWith('[bot]')
  const api = `${state.url}/users/${encodeURIComponent(login)}`
  const owner = state.repositories.some((repository) => repository.owner === login)
  const kind = owner ? 'Organization' : 'User'
  return {
    login,
    id: idOf(state, login),
    node_id: node('U', idOf(state, login)),
    avatar_url: `${state.url}/avatars/${idOf(state, login)}`,
    gravatar_id: '',
    url: api,
    html_url: bot ? `${state.url}/apps/${login.slice(0, -'[bot]'.length)}` : `${state.url}/${encodeURIComponent(login)}`,
    followers_url: `${api}/followers`,
    following_url: `${api}/following{/other_user}`,
    gists_url: `${api}/gists{/gist_id}`,
    starred_url: `${api}/starred{/owner}{/repo}`,
    subscriptions_url: `${api}/subscriptions`,
    organizations_url: `${api}/orgs`,
    repos_url: `${api}/repos`,
    events_url: `${api}/events{/privacy}`,
    received_events_url: `${api}/received_events`,
    type: bot ? 'Bot' : kind,
    user_view_type: 'public',
    site_admin: false,
  }
}

export const publicUser = (state: State, login: string): Shape => ({ ...example('public-user-default-response'), name: login, ...user(state, login) })

export function app(state: State, of: App = state.app): Shape {
  return {
    ...example('integration'),
    id: of.id,
    slug: of.slug,
    client_id: of.clientId,
    node_id: node('A', of.id),
    owner: user(state, state.repositories[0]?.owner ?? 'acme'),
    name: of.name,
    html_url: `${state.url}/apps/${of.slug}`,
    permissions: of.permissions,
    events: ['check_run', 'issue_comment', 'issues', 'pull_request', 'pull_request_review', 'pull_request_review_comment', 'push'],
  }
}

export function installation(state: State, id: number): Shape {
  const owner = state.repositories.find(({ installationId }) => installationId === id)?.owner ?? 'acme'
  return {
    ...example('base-installation'),
    id,
    account: user(state, owner),
    access_tokens_url: `${state.url}/app/installations/${id}/access_tokens`,
    repositories_url: `${state.url}/installation/repositories`,
    html_url: `${state.url}/organizations/${owner}/settings/installations/${id}`,
    app_id: state.app.id,
    client_id: state.app.clientId,
    app_slug: state.app.slug,
    target_id: idOf(state, owner),
    permissions: state.app.permissions,
  }
}

/** What webhooks and answers tell of a repository. */
export function repositoryPart(state: State, repository: Repository): Shape {
  return {
    id: repository.id,
    node_id: node('R', repository.id),
    name: repository.name,
    full_name: fullName(repository),
    private: repository.private,
    visibility: repository.private ? 'private' : 'public',
    owner: user(state, repository.owner),
    fork: false,
    url: ofRepository(state, repository),
    html_url: page(state, repository),
    clone_url: page(state, repository, '.git'),
    default_branch: repository.defaultBranch,
  }
}

export function repository(state: State, of: Repository): Shape {
  const { parent: _parent, source: _source, organization: _organization, template_repository: _template, ...full } = example('full-repository-default-response')
  return { ...full, language: null, has_downloads: true, ...repositoryPart(state, of), permissions: { admin: false, push: true, pull: true } }
}
