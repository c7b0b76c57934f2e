import { request } from '@octokit/request'
import { GitHubRefused, refusalOf } from './refusals.ts'

interface Wish {
  /** Where GitHub reaches this service. */
  readonly publicUrl: string
  /** Where the browser goes when the app is made. */
  readonly back: string
  /** Changes of workflows may be pushed. */
  readonly workflows: boolean
}

/** What the app may do, each for a reason that docs/github.md gives, and what it is told. */
export const manifestOf = ({ publicUrl, back, workflows }: Wish) => ({
  name: `Branchline ${new URL(publicUrl).hostname}`.slice(0, 34),
  url: publicUrl,
  hook_attributes: { url: `${publicUrl}/webhook/github`, active: true },
  redirect_url: back,
  public: false,
  default_permissions: {
    metadata: 'read',
    contents: 'write',
    issues: 'write',
    pull_requests: 'write',
    checks: 'read',
    ...(workflows ? { workflows: 'write' } : {}),
  },
  default_events: ['issues', 'issue_comment', 'pull_request', 'pull_request_review', 'pull_request_review_comment', 'check_run', 'push'],
})

export interface MadeApp {
  readonly appId: string
  readonly slug: string
  /** Its page on GitHub. */
  readonly url: string
  readonly privateKey: string
  readonly webhookSecret: string
}

const TIMEOUT_MS = 20_000

/** Takes the credentials of an app that was just made; GitHub gives them once. @throws GitHubRefused, GitHubBusy */
export async function convertManifest(apiUrl: string, code: string): Promise<MadeApp> {
  try {
    const { data } = await request('POST /app-manifests/{code}/conversions', {
      baseUrl: apiUrl.replace(/\/$/, ''),
      headers: { 'user-agent': 'branchline' },
      request: { signal: AbortSignal.timeout(TIMEOUT_MS) },
      code,
    })
    if (typeof data.webhook_secret !== 'string' || data.webhook_secret === '') throw new GitHubRefused(200, 'the app that was made has no webhook secret')
    return { appId: String(data.id), slug: data.slug ?? '', url: data.html_url, privateKey: data.pem, webhookSecret: data.webhook_secret }
  } catch (error) {
    throw refusalOf(error, Date.now())
  }
}
