import { lchown, mkdir, open, rename, stat } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import type { Identity } from '../process/start.ts'

/** Writes a whole file or nothing: temporary file, fsync, rename, fsync of the folder. */
export async function writeAtomically(path: string, content: string | Buffer): Promise<void> {
  const making = `${path}.making-${randomBytes(6).toString('hex')}`
  const file = await open(making, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(making, path)
  await syncFolder(dirname(path))
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Whether something is there that can be reached; links are followed. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** A folder that others may pass through but not list. */
export async function passage(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o711 })
}

/** Makes `owner` the owner of a file or folder, where it has a user of its own. */
export async function give(path: string, { uid, gid }: Identity): Promise<void> {
  if (uid !== undefined && gid !== undefined) await lchown(path, uid, gid)
}
