import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { now, type Pull, type Repository } from './state.ts'

const exec = promisify(execFile)
const IDENTITY = {
  GIT_AUTHOR_NAME: 'GitHub',
  GIT_AUTHOR_EMAIL: 'noreply@github.example',
  GIT_COMMITTER_NAME: 'GitHub',
  GIT_COMMITTER_EMAIL: 'noreply@github.example',
}

/** What git says in the bare repository, or nothing where it fails. */
export async function git(repository: Repository, ...args: readonly string[]): Promise<string | undefined> {
  const env = { PATH: process.env['PATH'] ?? '', ...IDENTITY }
  const said = await exec('git', ['-C', repository.path, ...args], { env, maxBuffer: 64 * 1024 * 1024 }).catch(() => undefined)
  return said?.stdout
}

/** The commit that a branch, tag or id names. */
export async function tip(repository: Repository, ref: string): Promise<string | undefined> {
  const names = /^[0-9a-f]{40}$/.test(ref) ? [ref] : [`refs/heads/${ref}`, ref]
  for (const name of names) {
    const found = await git(repository, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`)
    if (found !== undefined) return found.trim()
  }
  return undefined
}

/** All refs and where they stand. */
export async function refs(repository: Repository): Promise<ReadonlyMap<string, string>> {
  const lines = (await git(repository, 'for-each-ref', '--format=%(refname) %(objectname)')) ?? ''
  return new Map(lines.split('\n').flatMap((line): [string, string][] => (line === '' ? [] : [[line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']])))
}

export async function commitsBetween(repository: Repository, base: string, head: string): Promise<number> {
  return Number((await git(repository, 'rev-list', '--count', `${base}..${head}`)) ?? 0)
}

/** Takes notice of pushes: while it is open, a pull request stands where its branches do. */
export async function refresh(repository: Repository, { state, pull }: Pull): Promise<void> {
  if (state === 'closed') return
  pull.headSha = (await tip(repository, pull.head)) ?? pull.headSha
  pull.baseSha = (await tip(repository, pull.base)) ?? pull.baseSha
}

/** The tree of both together, where they do not conflict. */
export async function mergedTree(repository: Repository, { pull }: Pull): Promise<string | undefined> {
  return (await git(repository, 'merge-tree', '--write-tree', pull.baseSha, pull.headSha))?.split('\n')[0]
}

/** Merges into the base branch as the button on GitHub does. */
export async function merge(repository: Repository, pull: Pull): Promise<void> {
  await refresh(repository, pull)
  const { baseSha, headSha, base, head } = pull.pull
  const tree = await mergedTree(repository, pull)
  if (tree === undefined) throw new Error(`#${pull.number} conflicts with ${base}`)
  const message = `Merge pull request #${pull.number} from ${repository.owner}/${head}`
  const commit = (await git(repository, 'commit-tree', tree, '-p', baseSha, '-p', headSha, '-m', message))?.trim() ?? ''
  await git(repository, 'update-ref', `refs/heads/${base}`, commit, baseSha)
  pull.pull.mergeCommit = commit
  pull.pull.mergedAt = now()
}

export interface Content {
  readonly sha: string
  readonly bytes: Buffer
}

/** A file of a commit. */
export async function readContent(repository: Repository, commit: string, path: string): Promise<Content | undefined> {
  const sha = (await git(repository, 'rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}:${path}`))?.trim()
  if (sha === undefined || (await git(repository, 'cat-file', '-t', sha))?.trim() !== 'blob') return undefined
  const { stdout } = await exec('git', ['-C', repository.path, 'cat-file', 'blob', sha], { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 })
  return { sha, bytes: stdout }
}
