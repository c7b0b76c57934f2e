import type { IssueStep, NewEvent, RunEvent } from '../../../command/event.ts'
import { threadKey, type ThreadKey, type ThreadRef, type WorkspaceId } from '../../../command/ids.ts'
import { failpoint } from '../../../observe/failpoint.ts'
import { messageOf } from '../../../observe/text.ts'
import type { GitHubApi } from '../api/api.ts'
import { findComment } from './comments.ts'
import { GitHubRefused } from '../api/refusals.ts'
import { stepOf } from './steps.ts'
import { markerOf } from '../text.ts'
import type { Log } from '../desk.ts'
import type { IssueThread, IssueThreads } from '../threads.ts'
import { progressText, type Plan, type Standing } from './wording.ts'

export interface ProgressTools {
  readonly api: GitHubApi
  readonly threads: IssueThreads
  /** The web page of GitHub, such as https://github.com. */
  readonly webUrl: string
  readonly simulated: boolean
  readonly tell: (ref: ThreadRef, event: NewEvent) => void
  readonly once: <Value>(key: string, work: () => Promise<Value>) => Promise<Value>
  readonly log: Log
  /** Between two changes of the comment of a thread while its agent works. */
  readonly everyMs: number
}

interface Watched {
  readonly ref: ThreadRef
  steps: Set<IssueStep>
  plan: Plan
  costUsd: number
  saying: string
  timer: ReturnType<typeof setTimeout> | undefined
  shown: string
}

/** Keeps one comment on each issue that says how its work stands, and tells the steps as events. */
export class Progress implements AsyncDisposable {
  readonly #tools: ProgressTools
  readonly #watched = new Map<ThreadKey, Watched>()
  readonly #writing = new Set<Promise<void>>()

  constructor(tools: ProgressTools) {
    this.#tools = tools
  }

  /** A message for an issue was handed in: the steps begin anew. */
  begin(ref: ThreadRef): void {
    const { clientId, userId, projectId, threadId } = ref
    const fresh = { steps: new Set<IssueStep>(), plan: [], saying: '' }
    const known = this.#watched.get(threadKey(ref))
    if (known !== undefined) Object.assign(known, fresh)
    else this.#watched.set(threadKey(ref), { ref: { clientId, userId, projectId, threadId }, ...fresh, costUsd: 0, timer: undefined, shown: '' })
  }

  /** What happens in any thread; those without an issue are none of ours. */
  hear(ref: ThreadRef, event: RunEvent): void {
    const watched = this.#watched.get(threadKey(ref))
    if (watched === undefined || event.type === 'step.reached') return
    if (event.type === 'plan.changed') watched.plan = event.items
    if (event.type === 'cost.counted') watched.costUsd = event.totalCostUsd
    if (event.type === 'progress') watched.saying = event.text
    const step = stepOf(event)
    if (step !== undefined) this.reach(ref, step)
    if (event.type !== 'agent.said' && event.type !== 'run.ended') this.#soon(watched)
  }

  reach(ref: ThreadRef, step: IssueStep): void {
    const watched = this.#watched.get(threadKey(ref))
    if (watched === undefined || watched.steps.has(step)) return
    watched.steps.add(step)
    watched.saying = ''
    this.#tools.tell(ref, { type: 'step.reached', step })
  }

  /**
   * Writes the comment now.
   *
   * @param fresh there is none yet, so none has to be looked for
   * @throws GitHubBusy, GitHubRefused, NoAccess
   */
  async show(ref: ThreadRef, standing: Standing, { fresh = false } = {}): Promise<void> {
    const watched = this.#watched.get(threadKey(ref))
    if (watched !== undefined) {
      clearTimeout(watched.timer)
      watched.timer = undefined
      if (standing.kind !== 'working') this.#watched.delete(threadKey(ref))
    }
    await this.#write(ref, standing, watched, fresh)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#watched.values()) clearTimeout(timer)
    this.#watched.clear()
    await Promise.all(this.#writing)
  }

  #soon(watched: Watched): void {
    watched.timer ??= setTimeout(() => {
      watched.timer = undefined
      if (this.#watched.get(threadKey(watched.ref)) !== watched) return
      const writing = this.#write(watched.ref, { kind: 'working' }, watched, false)
        .catch((error: unknown) => this.#tools.log.warn({ event: 'progress.not_shown', threadId: watched.ref.threadId, error: messageOf(error) }))
        .finally(() => this.#writing.delete(writing))
      this.#writing.add(writing)
    }, this.#tools.everyMs)
  }

  async #write(ref: ThreadRef, standing: Standing, watched: Watched | undefined, fresh: boolean): Promise<void> {
    const { once, threads, webUrl, simulated } = this.#tools
    await once(`github comment ${threadKey(ref)}`, async () => {
      if (standing.kind === 'working' && watched !== undefined && this.#watched.get(threadKey(ref)) !== watched) return // it has ended meanwhile
      const thread = await threads.get(ref, ref.threadId)
      if (thread === undefined) return
      const { steps = new Set<IssueStep>(), plan = [], costUsd = 0, saying = '' } = watched ?? {}
      const text = progressText({ thread, standing, steps, plan, costUsd, saying, webUrl, simulated })
      if (watched?.shown === text) return
      await this.#put(ref, thread, text, fresh)
      if (watched !== undefined) watched.shown = text
    })
  }

  /** Changes the comment, or makes it where there is none: the one that a crash kept from being noted is found by its marker. */
  async #put(of: WorkspaceId, thread: IssueThread, text: string, fresh: boolean): Promise<void> {
    const { api, threads } = this.#tools
    const { repository, number } = thread
    const marker = markerOf('progress', thread.threadId)
    const [request, at, body] = [api.inRepository(repository), { owner: repository.owner, repo: repository.name }, `${text}\n\n${marker}`]
    const known = thread.sticky ?? (fresh ? undefined : await findComment(api, repository, { number, marker, kind: 'issue' }))
    if (known !== undefined) {
      try {
        await request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { ...at, comment_id: known, body })
        if (thread.sticky === undefined) await threads.change(of, thread.threadId, { sticky: known })
        return
      } catch (error) {
        if (!(error instanceof GitHubRefused) || error.status !== 404) throw error // somebody deleted it: another one is made
      }
    }
    const { data } = await request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...at, issue_number: number, body })
    await failpoint('github.shown')
    await threads.change(of, thread.threadId, { sticky: Number(data.id) })
  }
}
