import type { Ending } from '../command/ending.ts'
import { RunFailure } from '../command/ending.ts'
import { readFileAt } from '../git/diff.ts'
import { NoSuchPlace, withFile, writeBlob } from '../git/write-file.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { tipOf } from '../workspace/thread-home.ts'
import { treeOf } from '../git/branch.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/**
 * A person has written a file: it is stored, and saving makes a commit that holds it. Refused where it is not any more what that person
 * saw, so that nobody's work is written over unseen.
 */
export async function write({ command }: CommandRecord, { home }: Thread, tools: Tools): Promise<Ending> {
  const { instruction: path, base, attachments } = command
  const { gitDir, indexFile } = home.checkout
  const content = Buffer.from(attachments[0]?.data ?? '', 'base64')
  if (tools.holdsSecret(content)) throw new RunFailure('rejected', `content: ${path} would hold a secret of the service.`)
  const tip = await tipOf(home)
  const now = await readFileAt(gitDir, tip, path)
  if (now?.blob !== base)
    throw new RunFailure(
      'rejected',
      `base: ${path} ${now === undefined ? 'is not there any more' : base === undefined ? 'is there already' : 'was changed meanwhile'}. Nothing was written; open it again and bring your change in.`,
    )
  const blob = await writeBlob(gitDir, content)
  try {
    await withFile(gitDir, await treeOf(gitDir, tip), { path, blob }, `${indexFile}.written`)
  } catch (error) {
    if (error instanceof NoSuchPlace) throw new RunFailure('rejected', `path: ${error.message}`)
    throw error
  }
  return { kind: 'completed', summary: `Edit ${path} by hand`, writes: { path, blob } }
}
