import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { RunFailure, type Ending } from '../command/ending.ts'
import type { Sha } from '../git/branch.ts'
import { readFileAt } from '../git/diff.ts'
import { readByGit, refusalOf, type Checkout } from '../git/stage.ts'
import { NoSuchPlace, withFile, writeBlob } from '../git/write-file.ts'
import type { CommandRecord } from '../journal/journal.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** A person has written a file: what it holds is stored, and saving makes a commit of it (`treeWith`). */
export async function write({ command }: CommandRecord, { home }: Thread, tools: Tools): Promise<Ending> {
  const { instruction: path, base, attachments } = command
  const content = Buffer.from(attachments[0]?.data ?? '', 'base64')
  if (tools.holdsSecret(Buffer.from(path))) throw new RunFailure('rejected', 'path: holds a secret of the service.')
  if (tools.holdsSecret(content)) throw new RunFailure('rejected', `content: ${path} would hold a secret of the service.`)
  const name = readByGit(path)
  const refusal = name === undefined ? undefined : await refusalOf(home.checkout, name, content)
  if (refusal !== undefined) throw new RunFailure('rejected', `content: ${path} ${refusal}`)
  return { kind: 'completed', summary: `Edit ${path} by hand`, writes: { path, blob: await writeBlob(home.checkout.gitDir, content), base } }
}

type Writes = NonNullable<Extract<Ending, { kind: 'completed' }>['writes']>

/**
 * The tree with the file that a person has written, made of what the work tree holds.
 *
 * @param tree of all that is in the work tree, but for what git ignores
 * @throws RunFailure `rejected` where the file is not what that person saw, where git takes none of that name, and where something that is
 *   in no commit would be written over
 */
export async function treeWith(tree: Sha, { path, blob, base }: Writes, checkout: Checkout): Promise<Sha> {
  const now = await readFileAt(checkout.gitDir, tree, path)
  if (now?.blob !== base) {
    const what = now === undefined ? 'is not there any more' : base === undefined ? 'is there already' : 'was changed meanwhile'
    throw new RunFailure('rejected', `base: ${path} ${what}. Nothing was written; open it again and bring your change in.`)
  }
  try {
    const made = await withFile(checkout.gitDir, tree, { path, blob }, `${checkout.indexFile}.written`)
    if (now === undefined) await refuseIgnored(path, checkout.workTree)
    return made
  } catch (error) {
    if (error instanceof NoSuchPlace) throw new RunFailure('rejected', `path: ${error.message}`)
    throw error
  }
}

/** A new file takes the place of nothing that git ignores, and lies below no file or link of that kind: those are in no commit. */
async function refuseIgnored(path: string, workTree: string): Promise<void> {
  const parts = path.split('/')
  for (const at of parts.keys()) {
    const there = await lstat(join(workTree, ...parts.slice(0, at + 1))).catch(() => undefined)
    if (there === undefined) return
    const isLast = at === parts.length - 1
    if (isLast || !there.isDirectory())
      throw new RunFailure('rejected', `path: ${parts.slice(0, at + 1).join('/')} is in the work tree and in no commit; it would be written over.`)
  }
}
