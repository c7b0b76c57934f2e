import { branchRef, originRef, resolve, subjectsSince, type Sha } from '../git/branch.ts'
import { changedFiles, diff, listFiles, readFileAt, type Diff, type FileAt, type TreeFile } from '../git/diff.ts'
import { stepsOf, type Step } from '../git/step.ts'
import { originOf } from '../git/repository.ts'
import type { ThreadRef, WorkspaceId } from '../command/ids.ts'
import type { ThreadRecord } from '../journal/journal.ts'
import { branchOf, threadPaths, type Names, type ThreadPaths } from '../workspace/paths.ts'
import { namesOf } from './names.ts'
import type { Tools } from './tools.ts'

/** A thread as it stands, read without taking its turn and without preparing anything. */
export interface Standing {
  readonly record: ThreadRecord
  readonly paths: ThreadPaths
  readonly names: Names
  readonly branch: string
  /** `undefined` until the thread has been prepared. */
  readonly tip: Sha | undefined
}

/** `undefined` where there is no such thread. */
export async function standing(ref: ThreadRef, tools: Tools): Promise<Standing | undefined> {
  const record = await tools.journal.thread(ref)
  if (record === undefined) return undefined
  const names = await namesOf(ref, tools)
  const paths = threadPaths(tools.root, names, record.slot)
  const branch = branchOf(names)
  return { record, paths, names, branch, tip: await resolve(paths.repository, branchRef(branch)).catch(() => undefined) }
}

/** Checkpoints in the middle of the thread's latest runs, oldest first. */
export async function threadSteps({ paths, names, tip }: Standing): Promise<readonly Step[]> {
  return tip === undefined ? [] : stepsOf(paths.repository, names.thread)
}

const MAX_DIFF_BYTES = 2_000_000
const MAX_SUBJECTS = 100

/** Two commits of a thread; by default where it began and where it stands. */
interface Between {
  readonly from?: Sha | undefined
  readonly to?: Sha | undefined
}

/** What a thread has changed. */
export async function threadDiff(thread: Standing, between: Between = {}): Promise<Diff & { readonly from: Sha | undefined; readonly to: Sha | undefined }> {
  const [from, to] = [between.from ?? thread.record.base, between.to ?? thread.tip]
  if (from === undefined || to === undefined) return { patch: '', cut: false, from, to }
  return { ...(await diff(thread.paths.repository, from, to, MAX_DIFF_BYTES)), from, to }
}

export async function threadChangedFiles(thread: Standing, between: Between = {}): Promise<readonly string[]> {
  const [from, to] = [between.from ?? thread.record.base, between.to ?? thread.tip]
  return from === undefined || to === undefined ? [] : changedFiles(thread.paths.repository, from, to)
}

/** The repository that a push of the thread goes to, and what it is known to have of its branch. */
export async function threadRemote({ paths, branch, tip }: Standing): Promise<{ readonly origin?: string; readonly pushedCommit?: Sha }> {
  if (tip === undefined) return {}
  const [origin, pushedCommit] = await Promise.all([originOf(paths.repository), resolve(paths.repository, originRef(branch))])
  return { ...(origin === undefined ? {} : { origin }), ...(pushedCommit === undefined ? {} : { pushedCommit }) }
}

/** First lines of the thread's commits, oldest first, as many as a person reads. */
export async function threadSubjects({ record, paths, tip }: Standing): Promise<readonly string[]> {
  return record.base === undefined || tip === undefined ? [] : subjectsSince(paths.repository, record.base, tip, MAX_SUBJECTS)
}

export async function threadFiles({ paths }: Standing, at: Sha | undefined): Promise<readonly TreeFile[]> {
  return at === undefined ? [] : listFiles(paths.repository, at)
}

export async function threadFile({ paths }: Standing, path: string, at: Sha | undefined): Promise<FileAt | undefined> {
  return at === undefined ? undefined : readFileAt(paths.repository, at, path)
}

/** Which of these files hold conflict markers of git, on the branch of a thread. */
export async function threadConflicts(thread: Standing, files: readonly string[]): Promise<readonly string[]> {
  const contents = await Promise.all(files.map(async (file) => ({ file, content: (await threadFile(thread, file, thread.tip))?.content })))
  return contents.filter(({ content }) => MARKERS.test(content?.toString('latin1') ?? '')).map(({ file }) => file)
}
const MARKERS = /^<{7} [^\n]*\n(?:[^\n]*\n)*?>{7} /m

/** The origin of a workspace, or `undefined` where it has none or does not exist yet; `known` tells the two apart. */
export async function workspaceOrigin(of: WorkspaceId, tools: Tools): Promise<{ readonly known: boolean; readonly url: string | undefined }> {
  const [any] = await tools.journal.threads(of, { limit: 1 })
  if (any === undefined) return { known: false, url: undefined }
  const { repository } = threadPaths(tools.root, await namesOf(any.ref, tools), any.slot)
  try {
    return { known: true, url: await originOf(repository) }
  } catch {
    return { known: false, url: undefined } // its repository could not be made yet
  }
}
