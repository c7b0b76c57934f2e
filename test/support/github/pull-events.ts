import { app, page, user } from './accounts.ts'
import { checkRun as checkRunShape, pull as pullShape, reviewComment as reviewCommentShape } from './answers.ts'
import { git, merge, refresh, tip } from './branches.ts'
import type { WithId, WithNumber } from './issue-events.ts'
import { keptPayload, pullFor, repositoryFor, send, type Sending } from './payloads.ts'
import { addIssue, isPull, now, type PullPart, type State } from './state.ts'
import { deliver, type Delivered, type DeliverOptions } from './webhooks.ts'

const NOTHING = '0'.repeat(40)

export interface PullEvents {
  /** Of a branch that is in the repository; `fork` says whose it would be. */
  openPull(
    pull: Sending & {
      readonly title: string
      readonly head: string
      readonly body?: string | null
      readonly base?: string
      readonly draft?: boolean
      readonly fork?: string
    },
  ): Promise<WithNumber>
  /** Merged: by a merge commit, in git as well. */
  closePull(number: number, how: Sending & { readonly merged: boolean }): Promise<WithNumber>
  /** Its branch has moved. */
  synchronize(number: number, sending?: Sending): Promise<WithNumber>
  review(number: number, review: Sending & { readonly body: string | null; readonly state: 'approved' | 'changes_requested' | 'commented' }): Promise<WithId>
  reviewComment(
    number: number,
    comment: Sending & { readonly body: string; readonly path: string; readonly line: number; readonly inReplyTo?: number },
  ): Promise<WithId>
  /** On a commit; `completed` unless a status says otherwise. */
  checkRun(
    sha: string,
    run: Sending & { readonly name: string; readonly conclusion?: string; readonly summary?: string; readonly status?: 'queued' | 'in_progress' | 'completed' },
  ): Promise<WithId>
  /** Tells of the commit that a branch has now. */
  pushed(branch: string, sending?: Sending): Promise<Delivered>
  ping(options?: DeliverOptions): Promise<Delivered>
}

/** What people do with pull requests and branches: it is kept, and the webhook of it sent. */
export function pullEvents(state: State): PullEvents {
  return {
    openPull: async ({ title, head, body = null, base, draft = false, fork, ...sending }) => {
      const repository = repositoryFor(state, sending)
      const to = base ?? repository.defaultBranch
      const [headSha, baseSha] = [await tip(repository, head), await tip(repository, to)]
      if (headSha === undefined || baseSha === undefined) throw new Error(`git has no ${head} or no ${to}`)
      const part: PullPart = { head, base: to, draft, headSha, baseSha, mergedAt: undefined, mergeCommit: undefined, fork }
      const { number } = addIssue(state, repository, { title, body, user: sending.by ?? 'alice', pull: part })
      const { pull } = pullFor(state, number, sending)
      const parts = { number, pull_request: pullShape(state, repository, pull) }
      return { ...(await send(state, 'pull_request', 'opened', repository, parts, sending)), number }
    },
    closePull: async (number, { merged, ...sending }) => {
      const { repository, pull } = pullFor(state, number, sending)
      if (merged) await merge(repository, pull)
      else await refresh(repository, pull)
      pull.state = 'closed'
      pull.closedAt = pull.updatedAt = now()
      const closed = { ...pullShape(state, repository, pull), merged, merged_by: merged ? user(state, sending.by ?? 'alice') : null }
      return { ...(await send(state, 'pull_request', 'closed', repository, { number, pull_request: closed }, sending)), number }
    },
    synchronize: async (number, sending = {}) => {
      const { repository, pull } = pullFor(state, number, sending)
      const before = pull.pull.headSha
      await refresh(repository, pull)
      pull.updatedAt = now()
      const parts = { number, pull_request: pullShape(state, repository, pull), before, after: pull.pull.headSha }
      return { ...(await send(state, 'pull_request', 'synchronize', repository, parts, sending)), number }
    },
    review: async (number, { body, state: verdict, ...sending }) => {
      const { repository, pull } = pullFor(state, number, sending)
      await refresh(repository, pull)
      const id = state.next()
      const html = page(state, repository, `/pull/${number}#pullrequestreview-${id}`)
      const review = { id, user: user(state, sending.by ?? 'alice'), body, state: verdict, commit_id: pull.pull.headSha, submitted_at: now(), html_url: html }
      const parts = { review, pull_request: pullShape(state, repository, pull) }
      return { ...(await send(state, 'pull_request_review', 'submitted', repository, parts, sending)), id }
    },
    reviewComment: async (number, { body, path, line, inReplyTo, ...sending }) => {
      const { repository, pull } = pullFor(state, number, sending)
      await refresh(repository, pull)
      const by = sending.by ?? 'alice'
      const comment = { id: state.next(), number, user: by, body, path, line, inReplyTo, commit: pull.pull.headSha, createdAt: now() }
      repository.reviewComments.push(comment)
      const parts = { comment: reviewCommentShape(state, repository, comment), pull_request: pullShape(state, repository, pull) }
      return { ...(await send(state, 'pull_request_review_comment', 'created', repository, parts, sending)), id: comment.id }
    },
    checkRun: async (sha, { name, conclusion = 'success', summary = null, status = 'completed', ...sending }) => {
      const repository = repositoryFor(state, sending)
      await Promise.all(repository.issues.filter(isPull).map((pull) => refresh(repository, pull)))
      const run = { id: state.next(), name, sha, status, conclusion: status === 'completed' ? conclusion : null, summary, at: now() }
      repository.checkRuns.push(run)
      const own = checkRunShape(state, repository, run)
      const head = repository.issues.filter(isPull).find(({ pull }) => pull.headSha === sha)?.pull.head ?? null
      const suite = { id: run.id, head_branch: head, head_sha: sha, status, conclusion: run.conclusion, pull_requests: own['pull_requests'], app: own['app'] }
      const parts = { check_run: { ...own, check_suite: suite } }
      return { ...(await send(state, 'check_run', status === 'completed' ? 'completed' : 'created', repository, parts, sending)), id: run.id }
    },
    pushed: async (branch, sending = {}) => {
      const repository = repositoryFor(state, sending)
      const after = (await tip(repository, branch)) ?? NOTHING
      const before = (await tip(repository, `${after}^`)) ?? NOTHING
      const message = ((await git(repository, 'log', '-1', '--format=%B', after)) ?? '').trim()
      const by = { name: sending.by ?? 'alice', email: `${sending.by ?? 'alice'}@users.noreply.github.example` }
      const commit = { id: after, distinct: true, message, timestamp: now(), url: page(state, repository, `/commit/${after}`), author: by, committer: by }
      const gone = after === NOTHING
      const rest = { created: before === NOTHING, deleted: gone, forced: false, commits: gone ? [] : [commit], head_commit: gone ? null : commit, pusher: by }
      return send(state, 'push', undefined, repository, { ref: `refs/heads/${branch}`, before, after, base_ref: null, ...rest }, sending)
    },
    ping: (options = {}) => {
      const { zen } = keptPayload('ping')
      const config = { content_type: 'json', url: state.webhookUrl ?? '', insecure_ssl: '0' }
      const hook = {
        type: 'App',
        id: state.app.id + 1,
        name: 'web',
        active: true,
        events: app(state)['events'],
        config,
        app_id: state.app.id,
        updated_at: now(),
        created_at: now(),
      }
      return deliver(state, 'ping', { zen, hook_id: hook.id, hook }, options)
    },
  }
}
