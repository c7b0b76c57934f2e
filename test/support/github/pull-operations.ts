import { z } from 'zod'
import type { Shape } from './accounts.ts'
import { pull as pullShape, reviewComment } from './answers.ts'
import { commitsBetween, mergedTree, refresh, tip } from './branches.ts'
import { react } from './issue-operations.ts'
import { commentBody, inRepository, NOT_FOUND, paged, refuse, textFault, type Answer, type Inside, type Operations } from './operation.ts'
import { echo } from './payloads.ts'
import { addIssue, botOf, isPull, now, type Pull, type Repository, type State } from './state.ts'

const wanted = z.object({ title: z.string().optional(), head: z.string(), base: z.string(), body: z.string().nullish(), draft: z.boolean().optional() })
const changes = z.object({
  title: z.string().optional(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']).optional(),
  base: z.string().optional(),
})
const invalid = (message: string): Answer => refuse(422, 'Validation Failed', [{ resource: 'PullRequest', code: 'custom', message }])

const pullOf = ({ repository, params }: Inside): Pull | undefined =>
  repository.issues.filter(isPull).find(({ number }) => number === Number(params['pull_number']))

/** What only the answer about a single pull request tells. */
async function whole(state: State, repository: Repository, pull: Pull): Promise<Shape> {
  await refresh(repository, pull)
  const unknown = state.mergeUnknown > 0 || pull.state === 'closed'
  if (state.mergeUnknown > 0) state.mergeUnknown -= 1
  const clean = unknown ? null : (await mergedTree(repository, pull)) !== undefined
  const word = clean === true ? 'clean' : 'dirty'
  return {
    ...pullShape(state, repository, pull),
    mergeable: clean,
    rebaseable: clean,
    mergeable_state: clean === null ? 'unknown' : word,
    merged: pull.pull.mergedAt !== undefined,
    merged_by: null,
    comments: repository.comments.filter(({ number }) => number === pull.number).length,
    review_comments: repository.reviewComments.filter(({ number }) => number === pull.number).length,
    maintainer_can_modify: false,
    commits: await commitsBetween(repository, pull.pull.baseSha, pull.pull.headSha),
    additions: 1,
    deletions: 0,
    changed_files: 1,
  }
}

export const pullOperations: Operations = {
  'pulls/list': inRepository(['pull_requests', 'read'], async (call) => {
    const { state, repository, query } = call
    const [wantedState, head, base] = [query.get('state') ?? 'open', query.get('head'), query.get('base')]
    const pulls = repository.issues.filter(isPull)
    await Promise.all(pulls.map((pull) => refresh(repository, pull)))
    const found = pulls.filter(
      (one) =>
        (wantedState === 'all' || one.state === wantedState) &&
        (head === null || head === `${one.pull.fork ?? repository.owner}:${one.pull.head}`) &&
        (base === null || base === one.pull.base),
    )
    const { items, headers } = paged(call, query.get('direction') === 'asc' ? found : found.toReversed())
    return { status: 200, json: items.map((one) => pullShape(state, repository, one)), headers }
  }),

  'pulls/create': inRepository(['pull_requests', 'write'], async ({ state, repository, body }) => {
    const { title, head: label, base, body: text, draft = false } = wanted.parse(body)
    const head = label.startsWith(`${repository.owner}:`) ? label.slice(repository.owner.length + 1) : label
    const [headSha, baseSha] = [await tip(repository, head), await tip(repository, base)]
    if (headSha === undefined) return refuse(422, 'Validation Failed', [{ resource: 'PullRequest', field: 'head', code: 'invalid' }])
    if (baseSha === undefined) return refuse(422, 'Validation Failed', [{ resource: 'PullRequest', field: 'base', code: 'invalid' }])
    if (title === undefined || title === '') return refuse(422, 'Validation Failed', [{ resource: 'PullRequest', field: 'title', code: 'missing_field' }])
    const fault = textFault('PullRequest', text)
    if (fault !== undefined) return fault
    const commits = await commitsBetween(repository, baseSha, headSha)
    // Nothing is awaited from here on: of two at once, one is refused.
    const open = repository.issues.filter(isPull).some((one) => one.state === 'open' && one.pull.head === head && one.pull.base === base)
    if (open) return invalid(`A pull request already exists for ${repository.owner}:${head}.`)
    if (commits === 0) return invalid(`No commits between ${base} and ${head}`)
    const part = { head, base, draft, headSha, baseSha, mergedAt: undefined, mergeCommit: undefined, fork: undefined }
    const made = addIssue(state, repository, { title, body: text ?? null, user: botOf(state.app), pull: part })
    if (!isPull(made)) return NOT_FOUND
    echo(state, 'pull_request', 'opened', repository, { number: made.number, pull_request: pullShape(state, repository, made) })
    return { status: 201, json: await whole(state, repository, made) }
  }),

  'pulls/get': inRepository(['pull_requests', 'read'], async (call) => {
    const pull = pullOf(call)
    return pull === undefined ? NOT_FOUND : { status: 200, json: await whole(call.state, call.repository, pull) }
  }),

  'pulls/update': inRepository(['pull_requests', 'write'], async (call) => {
    const pull = pullOf(call)
    const { title, body, state: wantedState, base } = changes.parse(call.body ?? {})
    const fault = textFault('PullRequest', body)
    if (pull === undefined || fault !== undefined) return fault ?? NOT_FOUND
    if (wantedState === 'open' && pull.pull.mergedAt !== undefined) return invalid('state cannot be changed. The pull request has been merged.')
    pull.title = title ?? pull.title
    pull.body = body === undefined ? pull.body : body
    pull.state = wantedState ?? pull.state
    pull.pull.base = base ?? pull.pull.base
    pull.updatedAt = now()
    pull.closedAt = pull.state === 'closed' ? (pull.closedAt ?? now()) : undefined
    return { status: 200, json: await whole(call.state, call.repository, pull) }
  }),

  'pulls/list-review-comments': inRepository(['pull_requests', 'read'], (call) => {
    const { state, repository } = call
    const pull = pullOf(call)
    if (pull === undefined) return NOT_FOUND
    const { items, headers } = paged(
      call,
      repository.reviewComments.filter(({ number }) => number === pull.number),
    )
    return { status: 200, json: items.map((one) => reviewComment(state, repository, one)), headers }
  }),

  'pulls/create-reply-for-review-comment': inRepository(['pull_requests', 'write'], (call) => {
    const { state, repository, params } = call
    const { body } = commentBody.parse(call.body)
    const answered = repository.reviewComments.find(({ id, number }) => id === Number(params['comment_id']) && number === Number(params['pull_number']))
    const fault = textFault('PullRequestReviewComment', body)
    if (answered === undefined || fault !== undefined) return fault ?? NOT_FOUND
    // Answers are to the comment that began the thread; an answer to an answer is none.
    if (answered.inReplyTo !== undefined) return NOT_FOUND
    const made = { ...answered, id: state.next(), user: botOf(state.app), body, inReplyTo: answered.id, createdAt: now() }
    repository.reviewComments.push(made)
    return { status: 201, json: reviewComment(state, repository, made) }
  }),

  'reactions/create-for-pull-request-review-comment': inRepository(['pull_requests', 'write'], ({ state, repository, params, body }) => {
    const id = Number(params['comment_id'])
    return repository.reviewComments.some((one) => one.id === id) ? react(state, 'review comment', id, body) : NOT_FOUND
  }),
}
