import type { GitHubApi, RepositoryName } from '../api/api.ts'
import { GitHubRefused } from '../api/refusals.ts'
import type { Who } from './settings.ts'

const RANKS = ['none', 'read', 'triage', 'write', 'maintain', 'admin'] as const
const rankOf = (role: string): number => RANKS.findIndex((each) => each === role)

/**
 * Whether a person may hand work in, by what GitHub says of them in this repository. `author_association` does not tell: it shows
 * private members as contributors. Whoever GitHub does not know there may not; where it cannot be asked, nothing is decided.
 *
 * @throws GitHubBusy, NoAccess
 */
export async function mayAsk(
  api: GitHubApi,
  repository: RepositoryName,
  { login, id }: { readonly login: string; readonly id: number },
  who: Who,
): Promise<boolean> {
  if (who === 'anyone') return true
  try {
    const { data } = await api.inRepository(repository)('GET /repos/{owner}/{repo}/collaborators/{username}/permission', {
      owner: repository.owner,
      repo: repository.name,
      username: login,
    })
    if (data.user != null && data.user.id !== id) return false // the name is somebody else's by now
    // A role that an organisation made itself has a name of its own; then what it amounts to counts.
    const rank = Math.max(rankOf(data.role_name), rankOf(data.permission))
    return rank >= rankOf(who)
  } catch (error) {
    if (error instanceof GitHubRefused && error.status === 404) return false
    throw error
  }
}
