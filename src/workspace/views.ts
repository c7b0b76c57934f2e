import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomically } from './files.ts'
import type { ThreadPaths } from './paths.ts'

/** What `metadata.json` of a user's folder says; for people and other tools, the journal is the truth. */
interface Metadata {
  readonly created: string
  readonly lastAccessed: string
  /** The repositories of the projects, without credentials; null where there is no origin. */
  readonly repositories: Readonly<Record<string, string | null>>
}

export async function writeMetadata(paths: ThreadPaths, projectId: string, url: string | null): Promise<void> {
  const now = new Date().toISOString()
  const before = await readMetadata(paths.metadata)
  const after: Metadata = { created: before?.created ?? now, lastAccessed: now, repositories: { ...before?.repositories, [projectId]: url } }
  await writeAtomically(paths.metadata, `${JSON.stringify(after, null, 2)}\n`)
}

async function readMetadata(path: string): Promise<Metadata | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return undefined // not there yet, or somebody else's: it is made anew
  }
}

/** Writes `.claude/threads/{threadId}.json`, a view of what the journal knows of a thread. */
export async function writeThreadView(paths: ThreadPaths, threadName: string, view: object): Promise<void> {
  const file = join(paths.threads, `${threadName}.json`)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeAtomically(file, `${JSON.stringify(view, null, 2)}\n`)
}
