import type { GitHubApi } from '../../../src/ways/github/api/api.ts'
import { GitHubBusy } from '../../../src/ways/github/api/refusals.ts'
import type { Works } from '../../../src/ways/github/desk.ts'
import { askContainer } from './container-request.ts'
import type { JobStore } from './job-store.ts'
import { reportOf } from './report.ts'
import type { StepTools } from './thread-step.ts'
import type { Threads } from './threads.ts'

/** Commands that are looked through for the last one that a container carried out. */
const LATEST = 20
/** GitHub works it out when it is asked for it. */
const UNKNOWN_MS = 2000

interface Place {
  readonly api: GitHubApi
  readonly jobs: JobStore
  readonly threads: Threads
  readonly container: StepTools['container']
  /** Has what became due looked at. */
  readonly arm: () => Promise<void>
}

/** What the GitHub way has done, by containers. What they have pushed is known here, so none is asked for it. */
export const worksOf = ({ api, jobs, threads, container, arm }: Place): Works => ({
  accept: async (command, _, reply) => {
    const answer = await jobs.accept(command, reply, Date.now())
    await arm()
    return answer
  },
  interrupt: async ({ clientId, userId, projectId, threadId }) => {
    const running = jobs.open(threadId).find(({ state, command }) => state === 'running' && command.type === 'edit')
    if (running === undefined) return undefined
    const path = `/api/threads/${[clientId, userId, threadId].map((each) => encodeURIComponent(each)).join('/')}/interrupt`
    const query = new URLSearchParams({ projectId })
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    const answer = await askContainer(container(threadId), `${path}?${query.toString()}`, init)
    await answer.body?.cancel()
    return answer.ok ? running.command.commandId : undefined
  },
  // What has not begun is not wanted any more.
  park: async ({ threadId }) => {
    for (const job of jobs.open(threadId))
      if (job.givenAt === undefined) jobs.end(job, reportOf(job, 'interrupted', 'It was closed before this had begun.'), Date.now())
    threads.change(threadId, { parked: true })
    threads.wake(threadId)
    await arm()
  },
  changes: async ({ threadId }) => jobs.changes(threadId),
  unresolved: async ({ threadId }, files) => {
    const latest = jobs.history(threadId, LATEST).find(({ state, command }) => state === 'ended' && command.type !== 'push')
    const left = new Set(latest?.unresolved)
    return files.filter((file) => left.has(file))
  },
  // A container is not started for each pull request that merges by itself.
  mayConflict: async ({ repository: { owner, name } }, pull) => {
    const { data } = await api.inRepository({ owner, name })('GET /repos/{owner}/{repo}/pulls/{pull_number}', { owner, repo: name, pull_number: pull })
    if (data.state === 'open' && data.mergeable === null) throw new GitHubBusy('GitHub does not know yet whether it can be merged', Date.now() + UNKNOWN_MS)
    return data.mergeable === false
  },
  tipOf: async ({ threadId }) => jobs.tip(threadId),
})
