import { chmod, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Attachment } from '../command/command.ts'
import { give } from '../workspace/files.ts'
import type { Thread } from './thread.ts'

/** An attachment, and the file that holds it for as long as the run lasts. */
export interface Given extends Attachment {
  readonly path: string
}

const MAX_NAME = 100

/**
 * Lays attachments out as files beside the work tree, where the agent can read and copy them and cannot change them; none becomes
 * part of a commit unless the agent puts it into the work tree. What an earlier run was given is gone by then.
 */
export async function layOut(attachments: readonly Attachment[], home: Pick<Thread['home'], 'slot' | 'paths'>): Promise<readonly Given[]> {
  const { given: folder } = home.paths
  // Not the folder itself: a sandbox shows the agent this very one.
  for (const name of await readdir(folder)) await rm(join(folder, name))
  const files: Given[] = []
  for (const [at, attachment] of attachments.entries()) {
    const path = join(folder, fileName(attachment.name, at))
    await writeFile(path, Buffer.from(attachment.data, 'base64'), { flag: 'wx' })
    await show(path, 0o440, home.slot.identity.gid)
    files.push({ ...attachment, path })
  }
  return files
}

/** Files stay the service's own; the group of the slot may read them. */
async function show(path: string, mode: number, gid: number | undefined): Promise<void> {
  await give(path, { uid: gid === undefined ? undefined : process.getuid?.(), gid })
  await chmod(path, mode)
}

/** The name as it was sent, as far as any file system takes it; a number before it keeps equal ones apart. */
function fileName(name: string, at: number): string {
  const plain = name.replaceAll(/[^\p{L}\p{N}._ -]/gu, '_').replace(/^\.+/, '_')
  const extension = /\.\w{1,10}$/.exec(plain)?.[0] ?? ''
  return `${at + 1}-${plain.slice(0, plain.length - extension.length).slice(0, MAX_NAME)}${extension}`
}
