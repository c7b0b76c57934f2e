import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { allows, reached } from './access.ts'
import type { Level, Issue, Repository, State, Token } from './state.ts'

export interface Answer {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** In place of JSON. */
  readonly raw?: Buffer
}

export interface Call {
  readonly state: State
  readonly request: IncomingMessage
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: unknown
  /** None where the app itself calls, or nobody. */
  readonly token: Token | undefined
}
export type Operation = (call: Call) => Answer | Promise<Answer>
export type Operations = Readonly<Record<string, Operation>>

export const refuse = (status: number, message: string, errors?: readonly unknown[]): Answer => ({
  status,
  json: { message, documentation_url: 'https://docs.github.com/rest', status: String(status), ...(errors === undefined ? {} : { errors }) },
})
export const NOT_FOUND = refuse(404, 'Not Found')
const BODY_LIMIT = 65_536

/** What GitHub says to a text that is too long, or to none. */
export function textFault(resource: string, text: string | null | undefined): Answer | undefined {
  if (text == null || text.length <= BODY_LIMIT) return undefined
  const message = `body is too long (maximum is ${BODY_LIMIT} characters)`
  return refuse(422, 'Validation Failed', [{ resource, field: 'body', code: 'custom', message }])
}

/** A call about a repository that the token reaches, with permission for it. */
export interface Inside extends Call {
  readonly repository: Repository
}
export function inRepository(needs: readonly [name: string, level: Level], answer: (inside: Inside) => Answer | Promise<Answer>): Operation {
  return (call) => {
    const repository = call.token === undefined ? undefined : reached(call.state, call.token, call.params['owner'] ?? '', call.params['repo'] ?? '')
    if (call.token === undefined || repository === undefined) return NOT_FOUND
    if (!allows(call.token, ...needs)) return refuse(403, 'Resource not accessible by integration')
    return answer({ ...call, repository })
  }
}

/** An issue may be a pull request, and the permission for that serves as well. */
export function inIssue(wanted: Level, answer: (inside: Inside & { readonly issue: Issue }) => Answer | Promise<Answer>): Operation {
  return inRepository(['metadata', 'read'], (inside) => {
    const issue = issueOf(inside)
    if (issue === undefined) return NOT_FOUND
    const names = issue.pull === undefined ? ['issues'] : ['issues', 'pull_requests']
    if (inside.token === undefined || !names.some((name) => inside.token !== undefined && allows(inside.token, name, wanted)))
      return refuse(403, 'Resource not accessible by integration')
    return answer({ ...inside, issue })
  })
}

/** The issue that a call names by number, or by a comment of it. */
function issueOf({ params, repository }: Inside): Issue | undefined {
  const id = Number(params['comment_id'])
  const number = params['comment_id'] === undefined ? Number(params['issue_number']) : repository.comments.find((comment) => comment.id === id)?.number
  return repository.issues.find((issue) => issue.number === number)
}

export const commentBody = z.object({ body: z.string() })

const PAGE = 30
const LONGEST_PAGE = 100

/** One page of a list, and where the next is. */
export function paged<T>(
  { state, request, query }: Call,
  items: readonly T[],
): { readonly items: readonly T[]; readonly headers: Readonly<Record<string, string>> } {
  const size = Math.min(Number(query.get('per_page') ?? PAGE), LONGEST_PAGE)
  const page = Number(query.get('page') ?? 1)
  const last = Math.max(1, Math.ceil(items.length / size))
  const at = (number: number): string => {
    const url = new URL(request.url ?? '/', state.url)
    url.searchParams.set('page', String(number))
    return url.href
  }
  const links = [
    ...(page > 1 ? [`<${at(page - 1)}>; rel="prev"`, `<${at(1)}>; rel="first"`] : []),
    ...(page < last ? [`<${at(page + 1)}>; rel="next"`, `<${at(last)}>; rel="last"`] : []),
  ]
  return { items: items.slice((page - 1) * size, page * size), headers: links.length === 0 ? {} : { link: links.join(', ') } }
}

/** Sends what the description does not check: errors, bytes, nothing at all. */
export function send(response: ServerResponse, { status, json, raw }: Answer): void {
  response.statusCode = status
  if (raw !== undefined) return void response.setHeader('content-type', 'application/vnd.github.raw+json; charset=utf-8').end(raw)
  if (json === undefined) return void response.end()
  response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(json))
}
