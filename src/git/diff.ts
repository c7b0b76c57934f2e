import type { Sha } from './branch.ts'
import { git, records } from './git.ts'

const READ_ONLY = ['--no-ext-diff', '--no-textconv', '--no-color']

/** Names of the files that differ between two commits or trees. */
export async function changedFiles(gitDir: string, from: Sha, to: Sha): Promise<readonly string[]> {
  const { stdout } = await git(['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to, '--'], { gitDir })
  return records(stdout).map((name) => name.toString('utf8'))
}

/** Files below a folder, in any case, that commits of `commit` touch which none of the others has. What a merge itself resolved is not among them. */
export async function filesTouched(gitDir: string, commit: Sha, others: readonly Sha[], folder: string): Promise<readonly string[]> {
  const { stdout } = await git(['log', '--format=', '--name-only', '-z', '--no-renames', commit, '--not', ...others, '--', `:(icase,top)${folder}`], { gitDir })
  return [...new Set(records(stdout).map((name) => name.toString('utf8').trim()))].filter((name) => name !== '')
}

export interface Diff {
  readonly patch: string
  /** The patch was longer than `maxBytes` and ends early. */
  readonly cut: boolean
}

/** The difference between two commits as a unified patch. */
export async function diff(gitDir: string, from: Sha, to: Sha, maxBytes: number): Promise<Diff> {
  // Of a large file git says that it differs, and does not hold it twice in memory to say how.
  const large = { GIT_CONFIG_KEY_0: 'core.bigFileThreshold', GIT_CONFIG_VALUE_0: '500k' }
  const env = { ...large, GIT_CONFIG_COUNT: '2', GIT_CONFIG_KEY_1: 'core.quotePath', GIT_CONFIG_VALUE_1: 'false' }
  const { stdout } = await git(['diff-tree', '-r', '-p', '-M', ...READ_ONLY, from, to, '--'], { gitDir, env })
  return { patch: stdout.subarray(0, maxBytes).toString('utf8'), cut: stdout.length > maxBytes }
}

export interface TreeFile {
  readonly path: string
  readonly bytes: number
}

/** The files of a commit, links to other repositories left out. */
export async function listFiles(gitDir: string, commit: Sha): Promise<readonly TreeFile[]> {
  const { stdout } = await git(['ls-tree', '-r', '-z', '-l', '--full-tree', commit], { gitDir })
  return records(stdout).flatMap((entry) => {
    const [, bytes, path] = /^\d+ blob [0-9a-f]+ +(\d+)\t(.*)$/s.exec(entry.toString('utf8')) ?? []
    return path === undefined ? [] : [{ path, bytes: Number(bytes) }]
  })
}

export interface FileAt {
  readonly blob: Sha
  readonly content: Buffer
}

/** One file of a commit, or `undefined` where it has none of that name. */
export async function readFileAt(gitDir: string, commit: Sha, path: string): Promise<FileAt | undefined> {
  const { code, text: blob } = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}:${path}`], { gitDir, expect: [1, 128] })
  if (code !== 0) return undefined
  const read = await git(['cat-file', 'blob', blob], { gitDir, expect: [128] })
  return read.code === 0 ? { blob, content: read.stdout } : undefined
}
