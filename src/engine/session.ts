import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { conversationFile } from '../agent/agents.ts'
import type { ThreadRef } from '../command/ids.ts'
import { MAX_CONVERSATION_BYTES, type Session } from '../command/job.ts'
import { passage, writeAtomically } from '../workspace/files.ts'
import { threadPaths } from '../workspace/paths.ts'
import { standing } from './inspect.ts'
import { namesOf } from './names.ts'
import type { Tools } from './tools.ts'

/** What a compressed conversation may become. */
const MAX_BYTES = 128 * 1024 * 1024

/** The conversation of a thread, for a service elsewhere that goes on with it; `undefined` where there is none, or it is too long. */
export async function handOver(ref: ThreadRef, tools: Tools): Promise<Session | undefined> {
  const found = await standing(ref, tools)
  if (found === undefined) return undefined
  const { sessionId, said } = found.record
  const content = await readFile(conversationFile(found.paths.sessions, sessionId)).catch(() => undefined)
  if (content === undefined) return undefined
  const packed = await promisify(gzip)(content)
  if (packed.length > MAX_CONVERSATION_BYTES) return undefined
  return { id: sessionId, ...(said === undefined ? {} : { said }), conversation: packed.toString('base64') }
}

/** Has a thread go on with a conversation from elsewhere. One that has a conversation here keeps it. */
export async function takeOver(ref: ThreadRef, { id, said, conversation }: Session, tools: Tools): Promise<void> {
  const record = await tools.journal.openThread(ref, Date.now())
  if (record.said !== undefined || record.sessionId === id) return
  const { sessions, user } = threadPaths(tools.root, await namesOf(ref, tools), record.slot)
  for (const folder of [dirname(user), user]) await passage(folder)
  await mkdir(sessions, { recursive: true, mode: 0o700 })
  await writeAtomically(conversationFile(sessions, id), await promisify(gunzip)(Buffer.from(conversation, 'base64'), { maxOutputLength: MAX_BYTES }))
  await tools.journal.updateThread(ref, { sessionId: id, said })
}
