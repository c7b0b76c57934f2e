import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Another service holds the workspace. */
export class WorkspaceHeld extends Error {
  readonly holder: string
  constructor(folder: string, holder: string) {
    super(
      `${folder} is in use by another Branchline (${holder}). Stop that one first${folder.startsWith('/') ? ', or set WORKSPACE_PATH to another folder' : ''}.`,
    )
    this.name = 'WorkspaceHeld'
    this.holder = holder
  }
}

const SQLITE_BUSY = 5

/**
 * Holds a folder on this machine: an exclusive lock that the kernel frees when the process dies, so it never goes stale. Who holds it
 * stands in a file beside it, because a contender cannot read the locked one.
 *
 * @throws WorkspaceHeld
 */
export function lockFolder(folder: string): Disposable {
  const beside = join(folder, 'lock.json')
  const lock = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 })
  try {
    lock.exec('PRAGMA journal_mode = delete')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) throw new WorkspaceHeld(folder, holderIn(beside))
    throw error
  }
  writeFileSync(beside, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }))
  return { [Symbol.dispose]: () => lock.close() }
}

function holderIn(file: string): string {
  try {
    const { pid, since } = JSON.parse(readFileSync(file, 'utf8'))
    return `process ${Number(pid)} since ${String(since).slice(0, 30)}`
  } catch {
    return 'it has not said which process'
  }
}
