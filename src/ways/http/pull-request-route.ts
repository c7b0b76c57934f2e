import type { ThreadRef } from '../../command/ids.ts'
import { originOf } from '../../git/repository.ts'
import { firstLine } from '../../observe/text.ts'
import { NoAccess } from '../github/api/api.ts'
import { openPullRequest } from '../github/out/pull-request.ts'
import { GitHubBusy, GitHubRefused } from '../github/api/refusals.ts'
import { repositoryOf, type RepositoryName } from '../../git/github-url.ts'
import { authorOf, requireReach } from './access.ts'
import { PullRequestAnswer } from './answers.ts'
import { action } from './command-routes.ts'
import { knownThread, outcome, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { ProjectQuery, PullRequestBody, ThreadPath, threadOf } from './requests.ts'
import { route, type Route } from './route.ts'

/** Pushes the thread's branch and opens a pull request for it. */
export function pullRequestRoute(desk: Desk): Route {
  return route({
    method: 'POST',
    url: '/api/threads/{clientId}/{userId}/{threadId}/pull-request',
    operationId: 'openPullRequest',
    summary: 'Push the branch of the thread and open a pull request for it',
    role: 'work',
    path: ThreadPath,
    query: ProjectQuery,
    body: PullRequestBody,
    answers: { 200: { about: 'The pull request, new or the one that was open.', schema: PullRequestAnswer } },
    serve: async ({ path, query, body, c, caller }) => {
      const ref = threadOf({ ...path, ...query }, desk.defaults)
      requireReach(caller, ref)
      const thread = await knownThread(ref, desk)
      const repository = await githubOf(thread.paths.repository, desk)
      if (thread.tip === undefined || thread.tip === thread.record.base)
        throw new Problem(409, 'Not possible here', 'This thread has changed nothing, so there is nothing to ask for.')
      const pushed = await outcome({ ...(await action('push', '', ref, {}, undefined, desk)), ...authorOf(caller) }, c.req.raw.signal, desk)
      if (!pushed.success) throw new Problem(409, 'Not pushed', pushed.error ?? pushed.summary)
      const checkpoints = await desk.tools.journal.checkpoints(ref)
      const title = body.title ?? firstLine(checkpoints.at(-1)?.subject ?? `Changes of ${ref.threadId}`, 250)
      try {
        const made = await openPullRequest(desk.github.api, {
          repository,
          head: thread.branch,
          base: body.base,
          title,
          body: body.body ?? checkpoints.map((each) => `- ${each.subject}`).join('\n'),
        })
        await desk.tools.journal.memos.remember(ref, memoOf(ref), made.url)
        return c.json({ success: true, pullRequestUrl: made.url, number: made.number, created: made.created })
      } catch (error) {
        if (error instanceof GitHubRefused || error instanceof GitHubBusy) throw new Problem(502, 'GitHub refused', desk.tools.redact(error.message))
        if (error instanceof NoAccess) throw new Problem(409, 'Not possible here', error.message)
        throw error
      }
    },
  })
}

const memoOf = ({ threadId }: ThreadRef): string => `pull request of ${threadId}`

/** The pull request that was opened for a thread by this route. */
export async function pullRequestOf(ref: ThreadRef, { tools }: Desk): Promise<{ readonly pullRequestUrl?: string }> {
  const pullRequestUrl = await tools.journal.memos.recall(ref, memoOf(ref))
  return pullRequestUrl === undefined ? {} : { pullRequestUrl }
}

async function githubOf(gitDir: string, { github }: Desk): Promise<RepositoryName> {
  const repository = repositoryOf((await originOf(gitDir)) ?? '', github.access.url)
  if (repository === undefined) throw new Problem(409, 'Not possible here', `This workspace did not begin from a repository on ${github.access.url}.`)
  return repository
}
