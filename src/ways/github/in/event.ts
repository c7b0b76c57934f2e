import * as z from 'zod'

/** Longest text of a person that is taken along, in UTF-16 code units; GitHub's own limit is 65,536 characters. */
const MAX_TEXT = 40_000

const Login = z.string().max(100)
const Person = z.object({ login: Login, id: z.int(), type: z.string().default('User') })
const text = z
  .string()
  .nullish()
  .transform((value) => (value ?? '').slice(0, MAX_TEXT).toWellFormed().replaceAll('\0', ''))
const OwnApp = z.object({ id: z.int() }).nullish()

const Repository = z.object({
  id: z.int(),
  name: z.string().regex(/^[\w.-]{1,100}$/),
  owner: z.object({ login: z.string().regex(/^[\w-]{1,100}$/) }),
  default_branch: z.string().max(250),
})
const Issue = z.object({
  number: z.int().positive(),
  title: text,
  body: text,
  user: Person.nullish(),
  created_at: z.string(),
  updated_at: z.string(),
  closed_at: z.string().nullish(),
  pull_request: z.object({}).nullish(),
  performed_via_github_app: OwnApp,
})
const Branch = z.object({ ref: z.string().max(250), sha: z.string().max(64), repo: z.object({ id: z.int() }).nullish() })
const Pull = z.object({
  number: z.int().positive(),
  title: text,
  body: text,
  user: Person.nullish(),
  head: Branch,
  base: z.object({ ref: z.string().max(250) }),
  merged: z.boolean().nullish(),
  closed_at: z.string().nullish(),
  updated_at: z.string().nullish(),
})

const Envelope = z.object({
  action: z.string().max(100).optional(),
  sender: Person,
  repository: Repository,
})
const ISSUE = z.object({ issue: Issue })
const LABELED = ISSUE.extend({ label: z.object({ name: z.string().max(200) }) })
const ASSIGNED = ISSUE.extend({ assignee: Person })
const COMMENT = ISSUE.extend({ comment: z.object({ id: z.int(), body: text, user: Person, performed_via_github_app: OwnApp }) })
const REVIEW = z.object({ review: z.object({ id: z.int(), body: text, state: z.string().max(40), user: Person }), pull_request: Pull })
const REVIEW_COMMENT = z.object({
  comment: z.object({
    id: z.int(),
    body: text,
    user: Person,
    path: z.string().max(4096),
    line: z.int().nullish(),
    original_line: z.int().nullish(),
    in_reply_to_id: z.int().nullish(),
    performed_via_github_app: OwnApp,
    diff_hunk: text,
  }),
  pull_request: Pull,
})
const PULL = z.object({ pull_request: Pull })
const CHECK = z.object({
  check_run: z.object({
    id: z.int(),
    head_sha: z.string().max(64),
    completed_at: z.string().nullish(),
    check_suite: z.object({ head_branch: z.string().nullish() }).nullish(),
  }),
})
const PUSHED = z.object({ ref: z.string().max(300), after: z.string().max(64) })

/** Where an answer belongs. */
export interface AnswerPlace {
  readonly kind: 'issue' | 'comment' | 'review' | 'review comment'
  /** Of the comment or review; of an issue its number. */
  readonly id: number
}

interface Happened {
  readonly repository: { readonly id: number; readonly owner: string; readonly name: string; readonly defaultBranch: string }
  readonly actor: { readonly login: string; readonly id: number; readonly isBot: boolean }
}

/** Somebody wrote something, or gave an issue away, that may be meant for us. The text is what was signed. */
export interface Message extends Happened {
  readonly kind: 'message'
  readonly by: 'opened' | 'labeled' | 'assigned' | 'comment' | 'review' | 'review comment'
  /** Of the issue or pull request. */
  readonly number: number
  readonly onPull: boolean
  readonly subject: { readonly title: string; readonly body: string; readonly author: string; readonly createdAt: string }
  /** What was written; of an issue its title and body. */
  readonly text: string
  readonly answerTo: AnswerPlace
  /** The label that was given, or the login of whom it was assigned to. */
  readonly name?: string
  /** Of a comment in a review: its own, where `answerTo` is that of the first one of its discussion. */
  readonly commentId?: number
  /** When a label or an assignment was given. */
  readonly at?: string
  /** Of a comment in a review: where in the code. */
  readonly code?: { readonly path: string; readonly line: number | undefined; readonly hunk: string }
  /** Of a pull request, where it is known: its branch, and whether that is in this repository. */
  readonly head?: { readonly ref: string; readonly own: boolean }
}

export type GitHubEvent =
  | Message
  | (Happened & { readonly kind: 'closed'; readonly number: number; readonly onPull: boolean; readonly merged: boolean; readonly at: string })
  | (Happened & { readonly kind: 'reopened'; readonly number: number; readonly at: string })
  | (Happened & { readonly kind: 'check ended'; readonly sha: string; readonly checkId: number; readonly at: string })
  | (Happened & { readonly kind: 'pushed'; readonly branch: string; readonly after: string })

/** What a webhook says; `undefined` where it is of no interest. */
export function readEvent(name: string, payload: unknown): GitHubEvent | undefined {
  const envelope = Envelope.safeParse(payload).data
  if (envelope === undefined) return undefined
  const { action, sender, repository } = envelope
  const base: Happened = {
    repository: { id: repository.id, owner: repository.owner.login, name: repository.name, defaultBranch: repository.default_branch },
    actor: { login: sender.login, id: sender.id, isBot: isBot(sender) },
  }
  switch (`${name}.${action ?? ''}`) {
    case 'issues.opened': {
      const issue = ISSUE.safeParse(payload).data?.issue
      if (issue === undefined) return undefined
      const actor = { ...base.actor, isBot: base.actor.isBot || issue.performed_via_github_app != null }
      return { ...base, actor, ...aboutIssue(issue), kind: 'message', by: 'opened', text: wholeText(issue), answerTo: { kind: 'issue', id: issue.number } }
    }
    case 'issues.labeled': {
      const { issue, label } = LABELED.safeParse(payload).data ?? {}
      return issue && label && { ...base, ...given(issue), by: 'labeled', name: label.name }
    }
    case 'issues.assigned': {
      const { issue, assignee } = ASSIGNED.safeParse(payload).data ?? {}
      return issue && assignee && { ...base, ...given(issue), by: 'assigned', name: assignee.login }
    }
    case 'issue_comment.created': {
      const { issue, comment } = COMMENT.safeParse(payload).data ?? {}
      if (issue === undefined || comment === undefined) return undefined
      const actor = { ...base.actor, isBot: base.actor.isBot || isBot(comment.user) || comment.performed_via_github_app != null }
      return { ...base, actor, ...aboutIssue(issue), kind: 'message', by: 'comment', text: comment.body, answerTo: { kind: 'comment', id: comment.id } }
    }
    case 'pull_request_review.submitted': {
      const { review, pull_request: pull } = REVIEW.safeParse(payload).data ?? {}
      if (review === undefined || pull === undefined || review.body.trim() === '') return undefined // its comments come by themselves
      return {
        ...base,
        ...aboutPull(pull, repository.id),
        kind: 'message',
        by: 'review',
        text: review.body,
        answerTo: { kind: 'review', id: review.id },
        actor: { ...base.actor, isBot: base.actor.isBot || isBot(review.user) },
      }
    }
    case 'pull_request_review_comment.created': {
      const { comment, pull_request: pull } = REVIEW_COMMENT.safeParse(payload).data ?? {}
      if (comment === undefined || pull === undefined) return undefined
      return {
        ...base,
        ...aboutPull(pull, repository.id),
        kind: 'message',
        by: 'review comment',
        text: comment.body,
        answerTo: { kind: 'review comment', id: comment.in_reply_to_id ?? comment.id },
        code: { path: comment.path, line: comment.line ?? comment.original_line ?? undefined, hunk: comment.diff_hunk },
        actor: { ...base.actor, isBot: base.actor.isBot || isBot(comment.user) || comment.performed_via_github_app != null },
        commentId: comment.id,
      }
    }
    case 'issues.closed': {
      const issue = ISSUE.safeParse(payload).data?.issue
      return issue && { ...base, kind: 'closed', number: issue.number, onPull: false, merged: false, at: issue.closed_at ?? issue.updated_at }
    }
    case 'pull_request.closed': {
      const pull = PULL.safeParse(payload).data?.pull_request
      return pull && { ...base, kind: 'closed', number: pull.number, onPull: true, merged: pull.merged === true, at: pull.closed_at ?? pull.head.sha }
    }
    case 'pull_request.reopened': {
      const pull = PULL.safeParse(payload).data?.pull_request
      return pull && { ...base, kind: 'reopened', number: pull.number, at: pull.updated_at ?? pull.head.sha }
    }
    case 'check_run.completed': {
      const run = CHECK.safeParse(payload).data?.check_run
      const branch = run?.check_suite?.head_branch
      if (branch != null && !isOurs(branch)) return undefined
      return run && { ...base, kind: 'check ended', sha: run.head_sha, checkId: run.id, at: run.completed_at ?? '' }
    }
    case 'push.': {
      const push = PUSHED.safeParse(payload).data
      const branch = /^refs\/heads\/(.+)$/.exec(push?.ref ?? '')?.[1]
      if (push === undefined || branch === undefined || isOurs(branch) || /^0+$/.test(push.after)) return undefined
      return { ...base, kind: 'pushed', branch, after: push.after }
    }
    default:
      return undefined
  }
}

/** The same for every delivery that tells of the same thing. */
export function meaningOf(event: GitHubEvent): string {
  const at = `github ${event.repository.id}`
  switch (event.kind) {
    case 'message': {
      const which = event.commentId ?? event.answerTo.id
      return `${at} ${event.by} ${event.number} ${which} ${event.by === 'labeled' || event.by === 'assigned' ? `${event.name} ${event.at}` : ''}`.trimEnd()
    }
    case 'closed':
    case 'reopened':
      return `${at} ${event.kind} ${event.number} ${event.at}`
    case 'check ended':
      return `${at} check ${event.checkId} ${event.at}`
    case 'pushed':
      return `${at} pushed ${event.branch} ${event.after}`
  }
}

/** What is told of one issue or pull request is taken in order. */
export function lineOf(event: GitHubEvent): string {
  const at = `github ${event.repository.id}`
  switch (event.kind) {
    case 'message':
    case 'closed':
    case 'reopened':
      return `${at} ${event.number}`
    case 'check ended':
      return `${at} ${event.sha}`
    case 'pushed':
      return `${at} ${event.branch}`
  }
}

/** Branches of threads are moved by us alone, and only their checks are of interest. */
const isOurs = (branch: string): boolean => branch.startsWith('thread-')

const isBot = ({ login, type }: z.infer<typeof Person>): boolean => type !== 'User' || login.endsWith('[bot]')

const wholeText = ({ title, body }: { readonly title: string; readonly body: string }): string => `${title}\n\n${body}`.trim()

function aboutIssue({ number, title, body, user, created_at: createdAt, pull_request: pull }: z.infer<typeof Issue>) {
  return { number, onPull: pull != null, subject: { title, body, author: user?.login ?? 'ghost', createdAt } }
}

function given(issue: z.infer<typeof Issue>) {
  return {
    ...aboutIssue(issue),
    kind: 'message' as const,
    text: wholeText(issue),
    answerTo: { kind: 'issue' as const, id: issue.number },
    at: issue.updated_at,
  }
}

function aboutPull({ number, title, body, user, head }: z.infer<typeof Pull>, repositoryId: number) {
  const subject = { title, body, author: user?.login ?? 'ghost', createdAt: '' }
  return { number, onPull: true, subject, head: { ref: head.ref, own: head.repo?.id === repositoryId } }
}
