import { RequestError } from '@octokit/request-error'

/** GitHub did not do what was asked, and asking again would not help; the message is GitHub's. */
export class GitHubRefused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(`GitHub answered ${status}: ${message}`)
    this.name = 'GitHubRefused'
    this.status = status
  }
}

/** GitHub cannot answer now, or wants no more requests for a while. */
export class GitHubBusy extends Error {
  /** When it may be asked again, in ms since the epoch, where it said so. */
  readonly until: number | undefined
  constructor(message: string, until: number | undefined, cause?: unknown) {
    super(message, { cause })
    this.name = 'GitHubBusy'
    this.until = until
  }
}

/** Without a word of GitHub, how long a limit lasts (its documentation of secondary limits). */
const LIMIT_MS = 60_000
/** A secondary limit may come without any header; what GitHub says then is the only sign of it. */
const LIMIT = /rate limit|abuse/i
const LONGEST_LIMIT_MS = 60 * 60_000

/** What a failed request means for whoever made it. */
export function refusalOf(error: unknown, now: number): unknown {
  if (!(error instanceof RequestError)) return error
  const { status, response, message } = error
  const header = (name: string): string | undefined => {
    const value = response?.headers[name]
    return value === undefined ? undefined : String(value)
  }
  if (response === undefined) return new GitHubBusy('GitHub cannot be reached', undefined, error.cause ?? error)
  const limited = header('retry-after') !== undefined || header('x-ratelimit-remaining') === '0' || LIMIT.test(message)
  if (status === 429 || (status === 403 && limited)) {
    const seconds = Number(header('retry-after'))
    const reset = header('x-ratelimit-remaining') === '0' ? Number(header('x-ratelimit-reset')) * 1000 - now : Number.NaN
    const wait = header('retry-after') !== undefined && Number.isFinite(seconds) ? seconds * 1000 : Number.isFinite(reset) ? reset : LIMIT_MS
    return new GitHubBusy('GitHub takes no more requests for now', now + Math.min(LONGEST_LIMIT_MS, Math.max(1000, wait)))
  }
  if (status >= 500 || status === 408) return new GitHubBusy(`GitHub answered ${status}`, undefined)
  return new GitHubRefused(status, message.replace(/ - https?:\/\/\S+$/, '')) // where GitHub documents its API
}
