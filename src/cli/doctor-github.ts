import { openVault } from '../assemble-github.ts'
import type { Config } from '../config.ts'
import { Secrets } from '../observe/redact.ts'
import { GitHubApi } from '../ways/github/api/api.ts'
import { readApp } from '../ways/github/api/app.ts'
import { servicePaths } from '../workspace/paths.ts'

/** How the GitHub App stands, and whether there is one. @throws where GitHub does not know us as it */
export async function checkGitHub(config: Config): Promise<{ readonly app: boolean; readonly text: string }> {
  const vault = await openVault(config, servicePaths(config.workspacePath).vault, new Secrets([]), { readOnly: true })
  const app = vault === undefined ? undefined : await readApp(vault)
  if (app === undefined) return { app: false, text: 'no app yet: see docs/github.md' }
  const api = new GitHubApi({ apiUrl: config.GITHUB_API_URL, app: async () => app, token: undefined, keepToken: () => {}, stop: new AbortController().signal })
  const { slug } = await api.itself()
  const { data } = await api.asApp('GET /app/hook/deliveries', { per_page: 20 })
  const failed = data.filter(({ status_code: code }) => code < 200 || code >= 300).length
  return { app: true, text: `@${slug} at ${config.GITHUB_API_URL}; of its last ${data.length} webhooks ${failed} did not arrive` }
}
