import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type * as z from 'zod'
import { printable } from '../../observe/text.ts'

export interface FieldError {
  /** `#/limits/minutes` for a field of the body, the name for a parameter of path, query or header. */
  readonly pointer: string
  readonly detail: string
}

/** A request that is not accepted: problem details after RFC 9457. */
export class Problem extends Error {
  readonly status: ContentfulStatusCode
  readonly title: string
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>
  constructor(status: ContentfulStatusCode, title: string, detail: string, errors: readonly FieldError[] = [], headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.name = 'Problem'
    this.status = status
    this.title = title
    this.errors = errors
    this.headers = headers
  }

  /** `success` and `error` are for callers older than the other fields. */
  body() {
    const detail = printable(this.message, 2000)
    return {
      type: 'about:blank',
      title: this.title,
      status: this.status,
      detail,
      ...(this.errors.length > 0 ? { errors: this.errors } : {}),
      success: false,
      error: detail,
    }
  }
}

/** What is wrong with a request, field by field. */
export function invalid(where: 'body' | 'path' | 'query', error: z.ZodError): Problem {
  const errors = error.issues.flatMap((issue) => {
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    const detail = issue.code === 'unrecognized_keys' ? 'is not a field of this request' : issue.message
    return paths.map((path) => ({ pointer: pointer(where, path), detail: printable(detail, 500) }))
  })
  const once = [...new Map(errors.map((each) => [`${each.pointer} ${each.detail}`, each])).values()].slice(0, 50)
  const detail = once.map((each) => `${each.pointer.replace(/^#\/?/, '') || 'body'}: ${each.detail}`).join('; ')
  return new Problem(400, 'The request is not valid', detail, once)
}

export const invalidField = (pointer: string, detail: string): Problem =>
  new Problem(400, 'The request is not valid', `${pointer.replace(/^#\//, '')}: ${detail}`, [{ pointer, detail }])

function pointer(where: 'body' | 'path' | 'query', path: readonly PropertyKey[]): string {
  const steps = path.map((step) => printable(String(step), 100).replaceAll('~', '~0').replaceAll('/', '~1'))
  if (where !== 'body') return steps.join('.')
  return steps.length === 0 ? '#' : `#/${steps.join('/')}`
}

/** A body as JSON; none at all is an empty object. @throws Problem 400 */
export function jsonIn(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Problem(400, 'The request is not valid', `body: is not JSON (${error instanceof Error ? error.message.slice(0, 200) : ''})`, [
      { pointer: '#', detail: 'must be JSON' },
    ])
  }
}
