import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/**
 * Reads a file in a place where somebody else may have put anything: no link is followed, a pipe does not block,
 * and what is no plain file, is longer than `maxBytes`, or is not there, is `undefined`.
 */
export async function readPlainFile(path: string | Buffer, maxBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined)
  if (file === undefined) return undefined
  await using _closed = file
  const about = await file.stat()
  return about.isFile() && about.size <= maxBytes ? readSize(file, about.size) : undefined
}

/** The first `size` bytes of a file, which may be growing. */
export async function readSize(file: FileHandle, size: number): Promise<Buffer> {
  const content = Buffer.alloc(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await file.read(content, length, size - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return content.subarray(0, length)
}
