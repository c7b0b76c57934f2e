import { constants } from 'node:fs'
import { mkdir, open, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Identity } from '../process/start.ts'

/** Where Claude Code keeps a conversation below its configuration folder: `projects/{anything}/{sessionId}.jsonl`. */
const PROJECTS = 'projects'
/** Longer ones are not kept; the agent then begins anew, and is told so. */
const MAX_BYTES = 128 * 1024 * 1024

/**
 * Reads a conversation that an agent of `owner` has written. The folder is the agent's to do with as it likes, so no link
 * is followed and only a plain file of that very user is taken.
 */
export async function readConversation(configFolder: string, sessionId: string, owner: Identity): Promise<Buffer | undefined> {
  const projects = await readdir(join(configFolder, PROJECTS), { withFileTypes: true }).catch(() => [])
  for (const project of projects.filter((entry) => entry.isDirectory())) {
    const file = await open(
      join(configFolder, PROJECTS, project.name, `${sessionId}.jsonl`),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    ).catch(() => undefined)
    if (file === undefined) continue
    await using _closed = file
    const about = await file.stat()
    const theirs = owner.uid === undefined || about.uid === owner.uid
    if (about.isFile() && about.nlink === 1 && theirs && about.size <= MAX_BYTES) return file.readFile()
  }
  return undefined
}

/** Puts a conversation where a new process of Claude Code finds it by its id. */
export async function placeConversation(configFolder: string, sessionId: string, content: Buffer, give: (path: string) => Promise<void>): Promise<void> {
  const folder = join(configFolder, PROJECTS, 'resumed')
  for (const path of [join(configFolder, PROJECTS), folder]) {
    await mkdir(path, { recursive: true, mode: 0o770 })
    await give(path)
  }
  const file = join(folder, `${sessionId}.jsonl`)
  await writeFile(file, content, { mode: 0o660 })
  await give(file)
}
