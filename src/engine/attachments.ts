import { randomBytes } from 'node:crypto'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Attachment } from '../command/command.ts'
import type { Identity } from '../process/start.ts'
import { removeTree } from '../process/remove-tree.ts'
import { give } from '../workspace/files.ts'
import type { Thread } from './thread.ts'

/** An attachment, and the file that holds it for as long as the run lasts. */
export interface Given extends Attachment {
  readonly path: string
}

/** In bytes, of the 255 that file systems take. */
const MAX_NAME = 150

/** What an earlier run was given is taken away. */
export async function clearGiven({ paths }: Pick<Thread['home'], 'paths'>): Promise<void> {
  // Not the folder itself: a sandbox shows the agent this very one.
  for (const name of await readdir(paths.given)) await removeTree(join(paths.given, name))
}

/**
 * Lays attachments out as files beside the work tree, where the agent can read and copy them and cannot change them; none becomes
 * part of a commit unless the agent puts it into the work tree.
 */
export async function layOut(attachments: readonly Attachment[], { slot, paths }: Pick<Thread['home'], 'slot' | 'paths'>): Promise<readonly Given[]> {
  const files: Given[] = []
  for (const attachment of attachments) {
    const path = join(paths.given, `${randomBytes(3).toString('hex')}-${fileName(attachment.name)}`)
    await writeFile(path, Buffer.from(attachment.data, 'base64'), { flag: 'wx' })
    await show(path, 0o440, slot.identity)
    files.push({ ...attachment, path })
  }
  await show(paths.given, 0o750, slot.identity)
  return files
}

/** It is the service's own; the group of the slot may read it. */
async function show(path: string, mode: number, { gid }: Identity): Promise<void> {
  await give(path, { uid: gid === undefined ? undefined : process.getuid?.(), gid })
  await chmod(path, mode)
}

/** The name as it was sent, as far as any file system takes it. */
function fileName(name: string): string {
  const plain = name.replaceAll(/[^\p{L}\p{N}._ -]/gu, '_').replace(/^\.+/, '_')
  const extension = /\.\w{1,10}$/.exec(plain)?.[0] ?? ''
  let stem = plain.slice(0, plain.length - extension.length)
  while (Buffer.byteLength(stem) > MAX_NAME) stem = stem.slice(0, -1)
  return `${stem.toWellFormed()}${extension}` // half a pair may be left of its last letter
}
