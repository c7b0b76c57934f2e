import type { GitHubApi, RepositoryName } from '../api/api.ts'
import type { AnswerPlace } from '../in/event.ts'
import { GitHubRefused } from '../api/refusals.ts'

/** GitHub's own of a page. */
const PER_PAGE = 100
/** Pages that are looked through for a comment of ours; an issue has 2,500 comments at most. */
const MAX_PAGES = 25

interface Written {
  readonly id: number | bigint
  readonly body?: string
  readonly performed_via_github_app?: { readonly id?: number } | null
  readonly user: { readonly login: string } | null
}

/** The comment of ours with this marker; somebody else's with the same marker is not ours. */
export async function findComment(
  api: GitHubApi,
  { owner, name }: RepositoryName,
  { number, marker, since, kind }: { readonly number: number; readonly marker: string; readonly since?: number; readonly kind: 'issue' | 'review' },
): Promise<number | undefined> {
  const { id: appId, slug } = await api.itself()
  const ours = ({ performed_via_github_app: app, user }: Written): boolean => app?.id === appId || user?.login === `${slug}[bot]`
  const request = api.inRepository({ owner, name })
  const shared = { owner, repo: name, per_page: PER_PAGE, ...(since === undefined ? {} : { since: new Date(since).toISOString() }) }
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { data }: { data: readonly Written[] } =
      kind === 'issue'
        ? await request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...shared, issue_number: number, page })
        : await request('GET /repos/{owner}/{repo}/pulls/{pull_number}/comments', { ...shared, pull_number: number, page })
    const found = data.find((comment) => comment.body?.includes(marker) === true && ours(comment))
    if (found !== undefined) return Number(found.id)
    if (data.length < PER_PAGE) return undefined
  }
  return undefined
}

export interface AnswerTo {
  readonly repository: RepositoryName
  readonly number: number
  readonly place: AnswerPlace
}

/**
 * Writes a comment once: one of ours with the marker is looked for first, so that a lost answer or a crash makes no second one.
 * A comment in a review is answered in its thread.
 */
export async function answerOnce(api: GitHubApi, to: AnswerTo, marker: string, body: string, since: number): Promise<void> {
  const { repository, number, place } = to
  const [request, at] = [api.inRepository(repository), { owner: repository.owner, repo: repository.name }]
  const whole = `${body}\n\n${marker}`
  if (place.kind === 'review comment') {
    if ((await findComment(api, repository, { number, marker, since, kind: 'review' })) !== undefined) return
    try {
      await request('POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies', {
        ...at,
        pull_number: number,
        comment_id: place.id,
        body: whole,
      })
      return
    } catch (error) {
      if (!(error instanceof GitHubRefused) || error.status !== 404) throw error // it was deleted: the pull request itself is left
    }
  }
  if ((await findComment(api, repository, { number, marker, since, kind: 'issue' })) !== undefined) return
  await request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, issue_number: number, body: whole })
}

/** Shows whoever wrote something that it was seen; a second time changes nothing. A review cannot be reacted to. */
export async function react(api: GitHubApi, { repository, number, place }: AnswerTo): Promise<void> {
  const [request, at] = [api.inRepository(repository), { owner: repository.owner, repo: repository.name, content: 'eyes' as const }]
  switch (place.kind) {
    case 'issue':
      await request('POST /repos/{owner}/{repo}/issues/{issue_number}/reactions', { ...at, issue_number: number })
      return
    case 'comment':
      await request('POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', { ...at, comment_id: place.id })
      return
    case 'review comment':
      await request('POST /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions', { ...at, comment_id: place.id })
      return
    case 'review':
      return
  }
}
