import * as z from 'zod'

export interface PullRequestWish {
  readonly apiUrl: string
  readonly token: string
  readonly owner: string
  readonly repository: string
  /** The branch that holds the change. */
  readonly head: string
  /** The branch it is for; by default that of the repository. */
  readonly base: string | undefined
  readonly title: string
  readonly body: string
}

export interface PullRequest {
  readonly url: string
  readonly number: number
  /** False where there was one for this branch already. */
  readonly created: boolean
}

/** GitHub did not do what was asked; the message is GitHub's. */
export class GitHubRefused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(`GitHub answered ${status}: ${message}`)
    this.name = 'GitHubRefused'
    this.status = status
  }
}

const Found = z.array(z.object({ html_url: z.string(), number: z.int() }))
const Made = Found.element
const Repository = z.object({ default_branch: z.string() })
const TIMEOUT_MS = 20_000

/** Opens a pull request for a branch, or finds the open one: asking twice, after a lost answer, makes no second. */
export async function openPullRequest(wish: PullRequestWish): Promise<PullRequest> {
  const { owner, repository, head, title, body } = wish
  const at = `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repository)}`
  const query = new URLSearchParams({ head: `${owner}:${head}`, state: 'open' })
  const [open] = await ask(wish, 'GET', `${at}/pulls?${query.toString()}`, Found)
  if (open !== undefined) return { url: open.html_url, number: open.number, created: false }
  const base = wish.base ?? (await ask(wish, 'GET', at, Repository)).default_branch
  const made = await ask(wish, 'POST', `${at}/pulls`, Made, { title, body, head, base })
  return { url: made.html_url, number: made.number, created: true }
}

async function ask<Shape extends z.ZodType>(
  { apiUrl, token }: PullRequestWish,
  method: 'GET' | 'POST',
  path: string,
  shape: Shape,
  body?: object,
): Promise<z.infer<Shape>> {
  const answer = await fetch(`${apiUrl.replace(/\/$/, '')}${path}`, {
    method,
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'branchline',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const content: unknown = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new GitHubRefused(answer.status, z.object({ message: z.string() }).safeParse(content).data?.message ?? answer.statusText)
  return shape.parse(content)
}
