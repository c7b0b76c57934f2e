import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/**
 * Reads a file in a place where somebody else may have put anything: no link is followed, a pipe does not block,
 * and what is no plain file, is longer than `maxBytes`, or is not there, is `undefined`.
 */
export async function readPlainFile(path: string | Buffer, maxBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined)
  if (file === undefined) return undefined
  await using _closed = file
  const about = await file.stat()
  return about.isFile() && about.size <= maxBytes ? file.readFile() : undefined
}
