import { statfs } from 'node:fs/promises'
import type { Ending } from '../command/ending.ts'
import { messageOf } from '../observe/text.ts'
import { Fenced, Unfinished } from './save.ts'
import type { Tools } from './tools.ts'

/** Less than this, and writes fail for want of room. */
const ROOM_BYTES = 4 * 1024 * 1024
const ROOM_FILES = 64

/**
 * What it means that a run could not be saved. The files are still in the work tree and go into the next commit of the thread.
 *
 * @throws Fenced and Unfinished, which are nobody's result
 */
export async function savingFailed(error: unknown, ending: Ending, tools: Tools): Promise<Ending> {
  if (error instanceof Fenced || error instanceof Unfinished) throw error
  tools.log.error({ event: 'save.failed', err: error })
  const usage = 'usage' in ending ? ending.usage : undefined
  const kept = 'The files are still in the work tree and go into the next commit.'
  if (await isFull(tools.root))
    return { kind: 'failed', code: 'disk_full', error: `The disk is full, so what was done could not be committed. ${kept}`, mayPass: false, usage }
  return { kind: 'failed', code: 'workspace_failed', error: `What was done could not be committed: ${messageOf(error)}. ${kept}`, mayPass: false, usage }
}

async function isFull(folder: string): Promise<boolean> {
  const { bavail, bsize, ffree, files } = await statfs(folder)
  return bavail * bsize < ROOM_BYTES || (files > 0 && ffree < ROOM_FILES)
}
