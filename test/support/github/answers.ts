import { app, example, node, ofRepository, page, repository, user, type Shape } from './accounts.ts'
import { botOf, idOf, isPull, type CheckRun, type Issue, type IssueComment, type Pull, type Repository, type ReviewComment, type State } from './state.ts'

export const label = (state: State, of: Repository, name: string): Shape => ({
  id: idOf(state, `label ${name}`),
  node_id: node('LA', idOf(state, `label ${name}`)),
  url: ofRepository(state, of, `/labels/${encodeURIComponent(name)}`),
  name,
  description: '',
  color: 'f29513',
  default: false,
})

/** What a webhook, an issue and a pull request have in common. */
function common(state: State, of: Repository, issue: Issue): Shape {
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body,
    user: user(state, issue.user),
    state: issue.state,
    locked: false,
    labels: issue.labels.map((name) => label(state, of, name)),
    assignee: issue.assignees[0] === undefined ? null : user(state, issue.assignees[0]),
    assignees: issue.assignees.map((login) => user(state, login)),
    milestone: null,
    active_lock_reason: null,
    author_association: 'CONTRIBUTOR',
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt ?? null,
  }
}

export function issue(state: State, of: Repository, it: Issue): Shape {
  const api = ofRepository(state, of, `/issues/${it.number}`)
  const { pull_request: _, pinned_comment: _pinned, closed_by: _closed, repository: _repository, ...rest } = example('issue')
  const html = page(state, of, `/${isPull(it) ? 'pull' : 'issues'}/${it.number}`)
  const pull = ofRepository(state, of, `/pulls/${it.number}`)
  return {
    ...rest,
    ...common(state, of, it),
    id: it.id,
    node_id: node('I', it.id),
    url: api,
    repository_url: ofRepository(state, of),
    labels_url: `${api}/labels{/name}`,
    comments_url: `${api}/comments`,
    events_url: `${api}/events`,
    html_url: html,
    state_reason: it.state === 'closed' ? 'completed' : null,
    comments: of.comments.filter(({ number }) => number === it.number).length,
    performed_via_github_app: it.user === botOf(state.app) ? app(state) : null,
    ...(isPull(it)
      ? {
          draft: it.pull.draft,
          pull_request: { url: pull, html_url: html, diff_url: `${html}.diff`, patch_url: `${html}.patch`, merged_at: it.pull.mergedAt ?? null },
        }
      : {}),
  }
}

export function comment(state: State, of: Repository, it: IssueComment): Shape {
  const found = of.issues.find(({ number }) => number === it.number)
  const api = ofRepository(state, of, `/issues/comments/${it.id}`)
  return {
    id: it.id,
    node_id: node('IC', it.id),
    url: api,
    html_url: page(state, of, `/${found !== undefined && isPull(found) ? 'pull' : 'issues'}/${it.number}#issuecomment-${it.id}`),
    issue_url: ofRepository(state, of, `/issues/${it.number}`),
    body: it.body,
    user: user(state, it.user),
    created_at: it.createdAt,
    updated_at: it.updatedAt,
    author_association: it.byApp ? 'NONE' : 'CONTRIBUTOR',
    performed_via_github_app: it.byApp ? app(state) : null,
  }
}

export function reviewComment(state: State, of: Repository, it: ReviewComment): Shape {
  const api = ofRepository(state, of, `/pulls/comments/${it.id}`)
  const html = page(state, of, `/pull/${it.number}#discussion_r${it.id}`)
  const pull = ofRepository(state, of, `/pulls/${it.number}`)
  return {
    id: it.id,
    node_id: node('PRRC', it.id),
    pull_request_review_id: it.id,
    url: api,
    html_url: html,
    pull_request_url: pull,
    diff_hunk: '@@ -1 +1 @@',
    path: it.path,
    line: it.line,
    original_line: it.line,
    side: 'RIGHT',
    position: 1,
    original_position: 1,
    commit_id: it.commit,
    original_commit_id: it.commit,
    ...(it.inReplyTo === undefined ? {} : { in_reply_to_id: it.inReplyTo }),
    body: it.body,
    user: user(state, it.user),
    created_at: it.createdAt,
    updated_at: it.createdAt,
    author_association: 'CONTRIBUTOR',
    _links: { self: { href: api }, html: { href: html }, pull_request: { href: pull } },
  }
}

function side(state: State, of: Repository, ref: string, sha: string, fork?: string): Shape {
  const owner = fork ?? of.owner
  const apart = fork === undefined ? {} : { id: idOf(state, `fork ${fork}`), full_name: `${fork}/${of.name}`, owner: user(state, fork), fork: true }
  return { label: `${owner}:${ref}`, ref, sha, user: user(state, owner), repo: { ...repository(state, of), ...apart } }
}

/** As lists have it; the answer about a single one tells more. */
export function pull(state: State, of: Repository, it: Pull): Shape {
  const [api, html, asIssue] = [
    ofRepository(state, of, `/pulls/${it.number}`),
    page(state, of, `/pull/${it.number}`),
    ofRepository(state, of, `/issues/${it.number}`),
  ]
  const statuses = ofRepository(state, of, `/statuses/${it.pull.headSha}`)
  const urls = {
    html: html,
    issue: asIssue,
    comments: `${asIssue}/comments`,
    review_comments: `${api}/comments`,
    commits: `${api}/commits`,
    statuses,
    self: api,
  }
  return {
    ...common(state, of, it),
    id: it.id + 1,
    node_id: node('PR', it.id),
    url: api,
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: asIssue,
    commits_url: urls.commits,
    review_comments_url: urls.review_comments,
    review_comment_url: ofRepository(state, of, '/pulls/comments{/number}'),
    comments_url: urls.comments,
    statuses_url: statuses,
    merged_at: it.pull.mergedAt ?? null,
    merge_commit_sha: it.pull.mergeCommit ?? null,
    requested_reviewers: [],
    requested_teams: [],
    draft: it.pull.draft,
    auto_merge: null,
    head: side(state, of, it.pull.head, it.pull.headSha, it.pull.fork),
    base: side(state, of, it.pull.base, it.pull.baseSha),
    _links: {
      ...Object.fromEntries(Object.entries(urls).map(([key, href]) => [key, { href }])),
      review_comment: { href: ofRepository(state, of, '/pulls/comments{/number}') },
    },
  }
}

export function checkRun(state: State, of: Repository, it: CheckRun): Shape {
  const api = ofRepository(state, of, `/check-runs/${it.id}`)
  const part = (ref: string, sha: string): Shape => ({ ref, sha, repo: { id: of.id, url: ofRepository(state, of), name: of.name } })
  const pulls = of.issues.filter(isPull).filter((one) => one.state === 'open' && one.pull.headSha === it.sha)
  return {
    id: it.id,
    node_id: node('CR', it.id),
    head_sha: it.sha,
    external_id: '',
    url: api,
    html_url: page(state, of, `/runs/${it.id}`),
    details_url: page(state, of, `/actions/runs/${it.id}`),
    status: it.status,
    conclusion: it.conclusion,
    started_at: it.at,
    completed_at: it.conclusion === null ? null : it.at,
    output: { title: it.name, summary: it.summary, text: null, annotations_count: 0, annotations_url: `${api}/annotations` },
    name: it.name,
    check_suite: { id: it.id },
    app: { ...app(state), id: 15368, slug: 'github-actions', name: 'GitHub Actions' },
    pull_requests: pulls.map((one) => ({
      id: one.id + 1,
      number: one.number,
      url: ofRepository(state, of, `/pulls/${one.number}`),
      head: part(one.pull.head, one.pull.headSha),
      base: part(one.pull.base, one.pull.baseSha),
    })),
  }
}
