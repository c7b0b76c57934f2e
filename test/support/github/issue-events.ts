import { user } from './accounts.ts'
import { comment as commentShape, issue as issueShape, label as labelShape, pull as pullShape } from './answers.ts'
import { issueFor, repositoryFor, send, type Sending } from './payloads.ts'
import { addIssue, botOf, isPull, now, type Issue, type Repository, type State } from './state.ts'
import type { Delivered } from './webhooks.ts'

export interface WithNumber extends Delivered {
  readonly number: number
}
export interface WithId extends Delivered {
  readonly id: number
}

/** When it was, as `2026-01-31T12:00:00Z`; now, if nothing is said. */
export interface Dated {
  readonly at?: string
}

export interface IssueEvents {
  openIssue(issue: Sending & { readonly title: string; readonly body: string | null }): Promise<WithNumber>
  editIssue(number: number, change: Sending & { readonly title?: string; readonly body?: string }): Promise<WithNumber>
  closeIssue(number: number, sending?: Sending): Promise<WithNumber>
  /** On an issue or a pull request. */
  comment(number: number, comment: Sending & Dated & { readonly body: string }): Promise<WithId>
  editComment(id: number, change: Sending & Dated & { readonly body: string }): Promise<WithId>
  deleteComment(id: number, sending?: Sending): Promise<WithId>
  label(number: number, name: string, by?: string, sending?: Sending): Promise<WithNumber>
  assign(number: number, login: string, by?: string, sending?: Sending): Promise<WithNumber>
}

/** What people do with issues: it is kept, and the webhook of it sent. */
export function issueEvents(state: State): IssueEvents {
  const told = async (action: string, repository: Repository, issue: Issue, more: Readonly<Record<string, unknown>>, sending: Sending): Promise<WithNumber> => {
    issue.updatedAt = now()
    const own = isPull(issue) ? { pull_request: pullShape(state, repository, issue), number: issue.number } : { issue: issueShape(state, repository, issue) }
    const sent = await send(state, isPull(issue) ? 'pull_request' : 'issues', action, repository, { ...own, ...more }, sending)
    return { ...sent, number: issue.number }
  }
  const found = (id: number, sending: Sending) => {
    const repository = repositoryFor(state, sending)
    const at = repository.comments.findIndex((one) => one.id === id)
    const comment = repository.comments[at]
    if (comment === undefined) throw new Error(`there is no comment ${id}`)
    return { ...issueFor(state, comment.number, sending), comment, at }
  }
  return {
    openIssue: ({ title, body, ...sending }) => {
      const repository = repositoryFor(state, sending)
      const issue = addIssue(state, repository, { title, body, user: sending.by ?? 'alice', pull: undefined })
      return told('opened', repository, issue, {}, sending)
    },
    editIssue: (number, { title, body, ...sending }) => {
      const { repository, issue } = issueFor(state, number, sending)
      const changes = { ...(title === undefined ? {} : { title: { from: issue.title } }), ...(body === undefined ? {} : { body: { from: issue.body ?? '' } }) }
      issue.title = title ?? issue.title
      issue.body = body ?? issue.body
      return told('edited', repository, issue, { changes }, sending)
    },
    closeIssue: (number, sending = {}) => {
      const { repository, issue } = issueFor(state, number, sending)
      issue.state = 'closed'
      issue.closedAt = now()
      return told('closed', repository, issue, {}, sending)
    },
    comment: async (number, { body, at = now(), ...sending }) => {
      const { repository, issue } = issueFor(state, number, sending)
      const by = sending.by ?? 'alice'
      const comment = { id: state.next(), number, user: by, body, createdAt: at, updatedAt: at, byApp: by === botOf(state.app) }
      repository.comments.push(comment)
      const parts = { issue: issueShape(state, repository, issue), comment: commentShape(state, repository, comment) }
      return { ...(await send(state, 'issue_comment', 'created', repository, parts, sending)), id: comment.id }
    },
    editComment: async (id, { body, at = now(), ...sending }) => {
      const { repository, issue, comment } = found(id, sending)
      const changes = { body: { from: comment.body } }
      comment.body = body
      comment.updatedAt = at
      const parts = { issue: issueShape(state, repository, issue), comment: commentShape(state, repository, comment), changes }
      return { ...(await send(state, 'issue_comment', 'edited', repository, parts, sending)), id }
    },
    deleteComment: async (id, sending = {}) => {
      const { repository, issue, comment, at } = found(id, sending)
      repository.comments.splice(at, 1)
      const parts = { issue: issueShape(state, repository, issue), comment: commentShape(state, repository, comment) }
      return { ...(await send(state, 'issue_comment', 'deleted', repository, parts, sending)), id }
    },
    label: (number, name, by = 'alice', sending = {}) => {
      const { repository, issue } = issueFor(state, number, sending)
      if (!issue.labels.includes(name)) issue.labels.push(name)
      return told('labeled', repository, issue, { label: labelShape(state, repository, name) }, { ...sending, by })
    },
    assign: (number, login, by = 'alice', sending = {}) => {
      const { repository, issue } = issueFor(state, number, sending)
      if (!issue.assignees.includes(login)) issue.assignees.push(login)
      return told('assigned', repository, issue, { assignee: user(state, login) }, { ...sending, by })
    },
  }
}
