import { constants, type Stats } from 'node:fs'
import { open, readlink, type FileHandle } from 'node:fs/promises'
import { readSize } from './plain-file.ts'

/** What was found under a name: a plain file or a link. */
export interface Found {
  readonly kind: 'file' | 'executable' | 'link'
  readonly content: Buffer
}

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants
/** Opens whatever it is, a link itself included (Linux; Node has no name for it). */
const O_PATH = 0o10000000

/**
 * Reads a file below a folder that belongs to somebody who may swap anything in it at any moment: folder by folder, each opened
 * below the one before and never through a link, so nothing outside is ever read.
 *
 * @returns `gone` where nothing is under that name, `other` where it is no plain file or link, or longer than `maxBytes`
 */
export async function walkFile(folder: string, name: Buffer, maxBytes: number): Promise<Found | 'gone' | 'other'> {
  const parts = name.toString('latin1').split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..')) return 'other'
  await using handles = new AsyncDisposableStack()
  const below = async (at: FileHandle | undefined, part: string, flags: number): Promise<FileHandle> => {
    const path = at === undefined ? Buffer.from(folder) : Buffer.concat([Buffer.from(`/proc/self/fd/${at.fd}/`), Buffer.from(part, 'latin1')])
    return handles.use(await open(path, flags))
  }
  try {
    let at = await below(undefined, '', O_RDONLY | O_DIRECTORY)
    for (const part of parts.slice(0, -1)) at = await below(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    const last = parts.at(-1) ?? ''
    const about: Stats = await (await below(at, last, O_PATH | O_NOFOLLOW)).stat()
    if (about.isSymbolicLink())
      return { kind: 'link', content: await readlink(Buffer.concat([Buffer.from(`/proc/self/fd/${at.fd}/`), Buffer.from(last, 'latin1')]), 'buffer') }
    if (!about.isFile() || about.size > maxBytes) return 'other'
    const file = await below(at, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const opened = await file.stat() // another one may be there by now
    if (!opened.isFile() || opened.size > maxBytes) return 'other'
    return { kind: (about.mode & 0o100) === 0 ? 'file' : 'executable', content: await readSize(file, opened.size) }
  } catch (error) {
    // A folder on the way that is a link, or a file, by now holds no such name either.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' ? 'gone' : 'other'
  }
}
