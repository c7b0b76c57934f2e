import { z } from 'zod'
import { user } from './accounts.ts'
import { comment, issue as issueShape } from './answers.ts'
import { commentBody, inIssue, NOT_FOUND, paged, textFault, type Answer, type Operations } from './operation.ts'
import { echo } from './payloads.ts'
import { botOf, now, type Reaction, type State } from './state.ts'

const content = z.object({ content: z.string() })

/** The same reaction again is answered with the first. */
export function react(state: State, on: Reaction['on'], of: number, body: unknown): Answer {
  const { content: wanted } = content.parse(body)
  const known = state.reactions.find((one) => one.on === on && one.of === of && one.content === wanted)
  const reaction = known ?? { id: state.next(), on, of, content: wanted }
  if (known === undefined) state.reactions.push(reaction)
  const json = { id: reaction.id, node_id: `REA_${reaction.id}`, user: user(state, botOf(state.app)), content: wanted, created_at: now() }
  return { status: known === undefined ? 201 : 200, json }
}

export const issueOperations: Operations = {
  'issues/get': inIssue('read', ({ state, repository, issue }) => ({ status: 200, json: issueShape(state, repository, issue) })),

  'issues/list-comments': inIssue('read', (call) => {
    const { state, repository, issue, query } = call
    const since = query.get('since')
    const found = repository.comments.filter(({ number, updatedAt }) => number === issue.number && (since === null || updatedAt >= since))
    const { items, headers } = paged(call, found)
    return { status: 200, json: items.map((one) => comment(state, repository, one)), headers }
  }),

  'issues/create-comment': inIssue('write', ({ state, repository, issue, body }) => {
    const { body: text } = commentBody.parse(body)
    const fault = textFault('IssueComment', text)
    if (fault !== undefined) return fault
    const at = now()
    const made = { id: state.next(), number: issue.number, user: botOf(state.app), body: text, createdAt: at, updatedAt: at, byApp: true }
    repository.comments.push(made)
    const json = comment(state, repository, made)
    echo(state, 'issue_comment', 'created', repository, { issue: issueShape(state, repository, issue), comment: json })
    return { status: 201, json }
  }),

  'issues/get-comment': inIssue('read', ({ state, repository, params }) => {
    const found = repository.comments.find(({ id }) => id === Number(params['comment_id']))
    return found === undefined ? NOT_FOUND : { status: 200, json: comment(state, repository, found) }
  }),

  'issues/update-comment': inIssue('write', ({ state, repository, issue, params, body }) => {
    const { body: text } = commentBody.parse(body)
    const found = repository.comments.find(({ id }) => id === Number(params['comment_id']))
    const fault = textFault('IssueComment', text)
    if (found === undefined || fault !== undefined) return fault ?? NOT_FOUND
    const changes = { body: { from: found.body } }
    found.body = text
    found.updatedAt = now()
    const json = comment(state, repository, found)
    echo(state, 'issue_comment', 'edited', repository, { issue: issueShape(state, repository, issue), comment: json, changes })
    return { status: 200, json }
  }),

  'reactions/create-for-issue': inIssue('write', ({ state, issue, body }) => react(state, 'issue', issue.number, body)),
  'reactions/create-for-issue-comment': inIssue('write', ({ state, params, body }) => react(state, 'comment', Number(params['comment_id']), body)),
}
