import { threadKey, type ThreadRef } from '../command/ids.ts'
import type { Command } from '../command/command.ts'
import type { Result } from '../command/result.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { measure } from '../observe/measure.ts'
import { messageOf, printable } from '../observe/text.ts'
import { writeThreadView } from '../workspace/views.ts'
import { showCommit, tipOf } from '../workspace/thread-home.ts'
import { quiet } from './quiet.ts'
import type { Saved } from './save.ts'
import type { Tools } from './tools.ts'

/** Tells whoever watches the thread of the commit that a run ended with. */
export function tellCommit(run: CommandRecord, result: Result, subject: string | undefined, tools: Tools): void {
  const { commit, filesChanged: files = [] } = result
  const outcome = result.interrupted === true ? 'interrupted' : result.success ? 'completed' : 'failed'
  if (commit !== undefined && subject !== undefined) told(run, { commit, subject, files, outcome }, tools)
}

/** The same for a run that is to go on: what it had done by then. */
export function tellSaved(run: CommandRecord, saved: Saved | undefined, tools: Tools): void {
  if (saved?.kind === 'committed') told(run, { ...saved, outcome: 'interrupted' }, tools)
}

type Told = Pick<Extract<Saved, { kind: 'committed' }>, 'commit' | 'subject' | 'files'> & { readonly outcome: string }

function told({ command, attempt }: CommandRecord, { commit, subject, files, outcome }: Told, tools: Tools): void {
  const of = { commandId: command.commandId, runId: `${command.commandId}#${attempt}` }
  tools.events(command).append({ ...of, type: 'files.changed', files: [...files] })
  tools.events(command).append({ ...of, type: 'commit.made', commit, subject, outcome })
}

const SHOWN_INSTRUCTION = 20_000

/** Tells whoever watches the thread that a message was recorded. */
export function tellAccepted(command: Command, tools: Tools): void {
  const { commandId, instruction, type: commandType, mode, delivery, author, attachments } = command
  tools.events(command).append({
    commandId,
    type: 'command.accepted',
    instruction: printable(instruction, SHOWN_INSTRUCTION),
    commandType,
    mode,
    delivery,
    ...(author === undefined ? {} : { author }),
    ...(attachments.length === 0 || commandType === 'write' ? {} : { attachments: attachments.map(({ name }) => name) }),
  })
}

/** What every log line about a command says of it. */
export const about = ({ command, attempt }: CommandRecord) => ({
  clientId: command.clientId,
  userId: command.userId,
  projectId: command.projectId,
  threadId: command.threadId,
  commandId: command.commandId,
  type: command.type,
  attempt,
})

/** One event and one wide log line for the end of a command. */
export function tellEnd(record: CommandRecord, result: Result, tools: Tools): void {
  const { command, attempt } = record
  const { success, code, summary, error, pushed, pictures, commit, costUsd, tokens, durationMs, filesChanged, skipped } = result
  tools.events(command).append({
    commandId: command.commandId,
    runId: `${command.commandId}#${attempt}`,
    type: 'run.ended',
    success,
    summary,
    ...(code === undefined ? {} : { code }),
    ...(error === undefined || error === summary ? {} : { error }),
    ...(pushed === undefined ? {} : { pushed }),
    ...(pictures === undefined ? {} : { pictures }),
  })
  measure('runs_total', 1, { type: command.type, outcome: success ? 'completed' : (code ?? 'failed') })
  if (result.interrupted === true) measure('interrupts_total', 1, {})
  measure('run_seconds', (durationMs ?? 0) / 1000, { type: command.type })
  tools.log.info({
    event: 'command.ended',
    ...about(record),
    success,
    code,
    commit,
    costUsd,
    tokens,
    durationMs,
    files: filesChanged?.length,
    skipped: skipped?.length,
  })
}

/** The same for a command that a newer one has taken along before it began. */
export function tellSuperseded(commandId: string, by: Command, tools: Tools): void {
  tools.events(by).append({ commandId, type: 'run.ended', success: false, code: 'superseded', summary: `Taken along by ${by.commandId}` })
  measure('runs_total', 1, { type: by.type, outcome: 'superseded' })
}

/** Brings the views of a thread up to date: the agent's own git, and the file for people. */
export async function showThread(ref: ThreadRef, tools: Tools): Promise<void> {
  const thread = tools.prepared.get(threadKey(ref))
  if (thread === undefined) return
  const [record, checkpoints] = [await tools.journal.thread(ref), await tools.journal.checkpoints(ref)]
  const { slot, sessionId, createdAt, lastActiveAt, costUsd, tokens } = record ?? thread.record
  const view = { threadId: ref.threadId, branch: thread.home.branch, slot, sessionId, createdAt, lastActiveAt, costUsd, tokens, checkpoints }
  await tools.once(`view ${threadKey(ref)}`, () => writeThreadView(thread.home.paths, thread.names.thread, view))
}

/** The agent's own git in the work tree sees the commits that were made since it was last looked at. */
export async function showCommits(ref: ThreadRef, tools: Tools): Promise<void> {
  const thread = tools.prepared.get(threadKey(ref))
  if (thread === undefined) return
  try {
    await showCommit(thread.home, await tipOf(thread.home))
    await quiet(thread, tools)
  } catch (error) {
    tools.log.warn({ event: 'agent_git.failed', threadId: ref.threadId, error: messageOf(error) })
  }
}
