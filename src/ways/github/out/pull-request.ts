import type { GitHubApi, RepositoryName } from '../api/api.ts'
import { GitHubRefused } from '../api/refusals.ts'

export interface PullRequestWish {
  readonly repository: RepositoryName
  /** The branch that holds the change. */
  readonly head: string
  /** The branch it is for; by default that of the repository. */
  readonly base: string | undefined
  readonly title: string
  readonly body: string
  readonly draft?: boolean | undefined
}

export interface PullRequest {
  readonly url: string
  readonly number: number
  /** False where there was one for this branch already. */
  readonly created: boolean
}

/** Opens a pull request for a branch, or finds the open one: asking twice, after a lost answer, makes no second. */
export async function openPullRequest(api: GitHubApi, { repository, head, base, title, body, draft = false }: PullRequestWish): Promise<PullRequest> {
  const [request, at] = [api.inRepository(repository), { owner: repository.owner, repo: repository.name }]
  const { data: open } = await request('GET /repos/{owner}/{repo}/pulls', { ...at, head: `${repository.owner}:${head}`, state: 'open' })
  const known = open.find((pull) => pull.head.ref === head)
  if (known !== undefined) return { url: known.html_url, number: known.number, created: false }
  const into = base ?? (await request('GET /repos/{owner}/{repo}', at)).data.default_branch
  const make = async (asDraft: boolean): Promise<PullRequest> => {
    const { data } = await request('POST /repos/{owner}/{repo}/pulls', { ...at, title, body, head, base: into, draft: asDraft })
    return { url: data.html_url, number: data.number, created: true }
  }
  try {
    return await make(draft)
  } catch (error) {
    // Private repositories of small plans have no drafts.
    if (draft && error instanceof GitHubRefused && error.status === 422) return make(false)
    throw error
  }
}
