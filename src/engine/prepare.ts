import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { RunFailure } from '../command/ending.ts'
import { threadKey, type ThreadRef } from '../command/ids.ts'
import { branchRef, originRef, resolve } from '../git/branch.ts'
import { raiseFence } from '../git/fence.ts'
import { GitError } from '../git/git.ts'
import { createRepository, originOf, type Beginning } from '../git/repository.ts'
import { AccessBusy, fetchOrigin } from '../git/remote.ts'
import { firstLine, messageOf } from '../observe/text.ts'
import { exists, passage } from '../workspace/files.ts'
import { branchOf, servicePaths, threadPaths, type Names } from '../workspace/paths.ts'
import { BranchGone, openThreadHome } from '../workspace/thread-home.ts'
import { writeMetadata } from '../workspace/views.ts'
import { bringBack, mendRepository } from './mend.ts'
import { namesOf, slotOf } from './names.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

export interface Wish {
  readonly repoUrl?: string | undefined
  /** The branch that a new thread starts from. */
  readonly startFrom?: string | undefined
  /** Begins no workspace: nobody has said yet what it is to begin with. */
  readonly ifThere?: true
}

/**
 * Makes a thread ready: repository, branch, work tree, slot. Cheap where it has been done before.
 *
 * @throws RunFailure `workspace_failed` or `rejected`; what `stop` was aborted with
 */
export async function prepareThread(of: ThreadRef, wish: Wish, tools: Tools, stop: AbortSignal): Promise<Thread> {
  try {
    return await prepareNow(of, wish, tools, stop)
  } catch (error) {
    if (!(error instanceof GitError || error instanceof BranchGone) || stop.aborted || (await tools.room.isFull())) throw error
    const { repository } = threadPaths(tools.root, await namesOf(of, tools), '')
    if (!(await tools.once(repository, () => mendRepository(of, tools)))) throw error
    return prepareNow(of, wish, tools, stop)
  }
}

async function prepareNow(of: ThreadRef, wish: Wish, tools: Tools, stop: AbortSignal): Promise<Thread> {
  const { clientId, userId, projectId, threadId } = of
  const ref: ThreadRef = { clientId, userId, projectId, threadId }
  const key = threadKey(ref)
  const known = tools.prepared.get(key)
  if (known !== undefined && (await exists(known.home.paths.workTree)))
    return { ...known, record: (await tools.journal.thread(ref)) ?? known.record, home: { ...known.home, resumed: true } }

  const record = await tools.journal.openThread(ref, Date.now())
  const names = await namesOf(ref, tools)
  const paths = threadPaths(tools.root, names, record.slot)
  const fence = await tools.once(paths.repository, async () => {
    await ensureRepository(ref, wish, names, paths.repository, tools, stop)
    return raiseFence(paths.repository, tools.owner, () => tools.journal.openThread(ref, Date.now()))
  })
  await mkdir(paths.sessions, { recursive: true, mode: 0o700 })
  const home = await openThreadHome({
    paths,
    branch: branchOf(names),
    slot: slotOf(record, tools),
    template: join(servicePaths(tools.root).templates, record.slot),
    knownBase: record.base,
    laidOut: record.laidOut,
    startFrom: wish.startFrom,
  })
  if (record.base !== home.base) await tools.journal.updateThread(ref, { base: home.base })
  const origin = await originOf(paths.repository)
  await tools.once(paths.metadata, () => writeMetadata(paths, ref.projectId, origin ?? null))
  const thread: Thread = { ref, names, record, home, fence }
  tools.prepared.set(key, thread)
  return thread
}

async function ensureRepository(ref: ThreadRef, wish: Wish, names: Names, repository: string, tools: Tools, stop: AbortSignal): Promise<void> {
  const events = tools.events(ref)
  let shown = 0
  const onProgress = (text: string): void => {
    if (performance.now() - shown < 1000 && !text.includes('done')) return
    shown = performance.now()
    events.append({ type: 'progress', text: firstLine(text, 200) })
  }
  if (!(await exists(repository))) await bringBack(repository)
  if (await exists(repository)) {
    await checkOrigin(repository, wish, tools)
    await fetchForNewThread(repository, branchOf(names), tools, onProgress, stop)
    return
  }
  if (wish.ifThere === true) throw new RunFailure('rejected', 'This workspace has no repository yet; it begins with its first message.')
  for (const folder of [join(tools.root, names.client), join(tools.root, names.client, names.user)]) await passage(folder)
  const beginning = beginningOf(wish, tools)
  const began = performance.now()
  try {
    await createRepository(repository, beginning, { author: tools.author, onProgress, stop })
  } catch (error) {
    stop.throwIfAborted()
    if (error instanceof AccessBusy) throw error
    throw new RunFailure('workspace_failed', `The repository could not be cloned: ${messageOf(error)}`, { mayPass: beginning.kind === 'origin', cause: error })
  }
  tools.log.info({ event: 'repository.created', ...ref, from: beginning.kind, ms: Math.round(performance.now() - began) })
}

function beginningOf({ repoUrl }: Wish, { beginning, remoteFor }: Tools): Beginning {
  if (repoUrl !== undefined) return { kind: 'origin', remote: remoteFor(repoUrl) }
  if (beginning.origin !== undefined) return { kind: 'origin', remote: beginning.origin }
  return beginning.example === undefined ? { kind: 'empty' } : { kind: 'files', folder: beginning.example }
}

async function checkOrigin(repository: string, { repoUrl }: Wish, { beginning, log }: Tools): Promise<void> {
  const origin = await originOf(repository)
  if (repoUrl === undefined && beginning.origin !== undefined && origin !== beginning.origin.url)
    log.warn({ event: 'repository.kept', repository, origin, why: 'REPO_URL is for workspaces that do not exist yet' })
  if (repoUrl !== undefined && origin !== repoUrl)
    throw new RunFailure('rejected', `repoUrl: this workspace has another repository already (${origin ?? 'one without origin'})`)
}

/** A new thread starts from what origin has today; where origin cannot be reached, from what is known of it. */
async function fetchForNewThread(repository: string, branch: string, tools: Tools, onProgress: (text: string) => void, stop: AbortSignal): Promise<void> {
  const origin = await originOf(repository)
  if (origin === undefined || (await resolve(repository, branchRef(branch))) !== undefined) return
  try {
    await fetchOrigin(repository, tools.remoteFor(origin), { onProgress, stop })
  } catch (error) {
    stop.throwIfAborted()
    tools.log.warn({ event: 'fetch.failed', error: messageOf(error) })
    onProgress(`Origin could not be reached; starting from what is known of it (${originRef('*')}) done`)
  }
}
