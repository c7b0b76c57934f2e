import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeRepository } from '../repository.ts'
import type { Shape } from './accounts.ts'
import { startApi } from './api.ts'
import { refresh } from './branches.ts'
import { enter, offerManifest } from './door.ts'
import { makeFaults, type Fault, type Hold, type Match, type PlantedFault } from './faults.ts'
import { issueEvents, type IssueEvents } from './issue-events.ts'
import { repositoryFor } from './payloads.ts'
import { pullEvents, type PullEvents } from './pull-events.ts'
import {
  GRANTED,
  isPull,
  makeApp,
  type App,
  type Delivery,
  type IssueComment,
  type Manifest,
  type Permissions,
  type Pull,
  type Push,
  type Reaction,
  type Repository,
  type RequestRecord,
  type ReviewComment,
  type Role,
  type State,
  type Token,
} from './state.ts'
import { deliver, type Delivered, type DeliverOptions } from './webhooks.ts'

export interface NewRepository {
  readonly owner: string
  readonly name: string
  readonly private?: boolean
  /** Of its first commit, on `main`. */
  readonly files?: Readonly<Record<string, string>>
}

export interface GitHubOptions {
  /** `acme/site`, if nothing is said. The repositories of an owner are one installation. */
  readonly repositories?: readonly NewRepository[]
  /** What the installation grants, besides `metadata`. */
  readonly permissions?: Permissions
  /** Webhooks tell the app of its own comments and pull requests, as GitHub's do. */
  readonly echo?: boolean
}

/** GitHub, as the program sees it: its REST API, its git and its webhooks, on one port. Closing it fails while `problems` has any. */
export interface GitHub extends IssueEvents, PullEvents, AsyncDisposable {
  /** Of the API; a repository's git is at `{url}/{owner}/{repo}.git`. */
  readonly url: string
  /** That it accepts now: after a manifest's conversion, the new one. */
  readonly app: App
  addRepository(repository: NewRepository): Promise<void>
  /** Its bare git repository on disk. */
  repository(owner: string, name: string): string
  /** What each login may do; others than `alice`, who may write, are not known until they are set. */
  readonly permissions: Map<string, Role>

  /** Where webhooks go. */
  sendTo(url: string): void
  deliver(event: string, payload: Shape, options?: DeliverOptions): Promise<Delivered>
  /** A manifest's code, as GitHub's page for new apps hands it out; that page is at `/settings/apps/new` too. */
  offerManifest(manifest?: Manifest): string

  fault(fault: Fault): PlantedFault
  hold(match: Match): Hold
  /** No token that was minted so far counts any more. */
  revokeTokens(): void
  /** So many answers do not know yet whether a pull request can be merged. */
  mergeUnknown(times: number): void

  comments(number: number, repository?: string): readonly IssueComment[]
  reviewComments(number: number, repository?: string): readonly ReviewComment[]
  /** With the commits that their branches have now. */
  pulls(repository?: string): Promise<readonly Pull[]>
  readonly reactions: readonly Reaction[]
  readonly requests: readonly RequestRecord[]
  readonly tokens: readonly Token[]
  readonly pushes: readonly Push[]
  readonly deliveries: readonly Delivery[]
  /** Requests that GitHub's description does not allow, and answers of the double that it does not. A test that plants some takes them out. */
  readonly problems: string[]
}

/** GitHub refuses these pushes by the name of the file. */
const HOOK = `#!/bin/sh
[ "$GITHUB_WORKFLOWS" = write ] && exit 0
while read -r before after ref; do
  case $after in *[!0]*) ;; *) continue ;; esac
  file=$(git log --name-only --format= "$after" --not --all -- .github/workflows | head -n 1)
  [ -z "$file" ] && continue
  echo "refusing to allow a GitHub App to create or update workflow \\\`$file\\\` without \\\`workflows\\\` permission" >&2
  exit 1
done
`

export async function startGitHub({
  repositories = [{ owner: 'acme', name: 'site' }],
  permissions = GRANTED,
  echo = false,
}: GitHubOptions = {}): Promise<GitHub> {
  let last = 1000
  const next = (): number => (last += 10)
  const root = await mkdtemp(join(tmpdir(), 'branchline-test-github-'))
  const made = Promise.all(repositories.map((repository) => makeBare(root, repository)))
  const [app] = await Promise.all([makeApp(next, 'Branchline Test', permissions, next()), made])
  const state: State = {
    url: '',
    app,
    root,
    repositories: [],
    tokens: [],
    deliveries: [],
    reactions: [],
    requests: [],
    pushes: [],
    problems: [],
    permissions: new Map([['alice', 'write']]),
    manifests: new Map(),
    logins: new Map(),
    webhookUrl: undefined,
    echo,
    mergeUnknown: 0,
    next,
  }
  for (const repository of repositories) register(state, repository)
  const faults = makeFaults()
  const { server, port, close } = await startApi(state)
  state.url = `http://127.0.0.1:${port}`
  const [inner] = server.listeners('request')
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const work = (to: typeof response): void =>
      void enter(state, request, to, (...both) => void (inner !== undefined && Reflect.apply(inner, server, both))).catch((error: unknown) => {
        if (!request.socket.destroyed) state.problems.push(`${request.method} ${request.url}: ${String(error)}`)
        request.socket.destroy()
      })
    void faults.pass(request, response, work)
  })
  const inside = (name: string | undefined): Repository => repositoryFor(state, name === undefined ? {} : { in: name })
  return {
    ...issueEvents(state),
    ...pullEvents(state),
    url: state.url,
    get app() {
      return state.app
    },
    addRepository: async (repository) => {
      await makeBare(root, repository)
      register(state, repository)
    },
    repository: (owner, name) => inside(`${owner}/${name}`).path,
    permissions: state.permissions,
    sendTo: (url) => void (state.webhookUrl = url),
    deliver: (event, payload, options) => deliver(state, event, payload, options),
    offerManifest: (manifest = {}) => offerManifest(state, manifest),
    fault: faults.plant,
    hold: faults.hold,
    revokeTokens: () => state.tokens.forEach((token) => void (token.revoked = true)),
    mergeUnknown: (times) => void (state.mergeUnknown = times),
    comments: (number, name) => inside(name).comments.filter((comment) => comment.number === number),
    reviewComments: (number, name) => inside(name).reviewComments.filter((comment) => comment.number === number),
    pulls: async (name) => {
      const pulls = inside(name).issues.filter(isPull)
      await Promise.all(pulls.map((pull) => refresh(inside(name), pull)))
      return pulls
    },
    reactions: state.reactions,
    requests: state.requests,
    tokens: state.tokens,
    pushes: state.pushes,
    deliveries: state.deliveries,
    problems: state.problems,
    [Symbol.asyncDispose]: async () => {
      await close()
      await rm(root, { recursive: true, force: true, maxRetries: 5 })
      if (state.problems.length > 0) throw new Error(`the double of GitHub found:\n${state.problems.join('\n')}`)
    },
  }
}

const bareOf = (root: string, { owner, name }: NewRepository): string => join(root, owner, `${name}.git`)

async function makeBare(root: string, repository: NewRepository): Promise<void> {
  const [path, made] = [bareOf(root, repository), join(root, 'made', repository.owner, repository.name)]
  await mkdir(join(root, repository.owner), { recursive: true })
  await rename(await makeRepository(made, repository.files), path)
  await rm(made, { recursive: true, force: true })
  await mkdir(join(path, 'hooks'), { recursive: true })
  await writeFile(join(path, 'hooks', 'pre-receive'), HOOK, { mode: 0o755 })
}

/** From here on GitHub knows it. */
function register(state: State, repository: NewRepository): void {
  const { owner, name, private: hidden = true } = repository
  const beside = state.repositories.find((one) => one.owner === owner)
  const first = state.repositories.length === 0 ? state.app.installationId : undefined
  state.repositories.push({
    id: state.next(),
    owner,
    name,
    private: hidden,
    installationId: beside?.installationId ?? first ?? state.next(),
    path: bareOf(state.root, repository),
    defaultBranch: 'main',
    issues: [],
    comments: [],
    reviewComments: [],
    checkRuns: [],
  })
}
