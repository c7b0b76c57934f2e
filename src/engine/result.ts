import type { Ending } from '../command/ending.ts'
import type { Result } from '../command/result.ts'
import type { Usage } from '../command/spending.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { firstLine, printable } from '../observe/text.ts'
import type { Saved } from './save.ts'

const MAX_SUMMARY = 20_000
const MAX_FILES = 1000

interface About {
  readonly branch?: string | undefined
  readonly agentSessionId?: string | undefined
  readonly simulated: boolean
  readonly at: number
  /** What was used of the model over all attempts. */
  readonly used?: Usage | undefined
  /** Where the preview of the thread is. */
  readonly previewUrl?: string | undefined
  /** The message that takes this one's text along, where the agent never heard it. */
  readonly heir?: string | undefined
}

/** The final answer to a command: from how its work ended, what was saved of it, and nothing else. */
export function resultOf(run: CommandRecord, ending: Ending, saved: Saved, about: About): Result {
  const { command } = run
  return {
    sessionId: command.sessionId,
    commandId: command.commandId,
    timestamp: about.at,
    ...(about.heir === undefined ? said(run, ending, saved) : takenAlong(about.heir)),
    ...(saved.kind === 'committed' ? { commit: saved.commit, filesChanged: saved.files.slice(0, MAX_FILES) } : {}),
    // A former attempt may have made the commit, such as one that a crash cut short.
    ...(saved.kind !== 'committed' && run.note?.commit !== undefined ? { commit: run.note.commit } : {}),
    ...(saved.kind === 'committed' && saved.conflicts !== undefined ? { conflicts: [...saved.conflicts] } : {}),
    ...(saved.skipped.length > 0 ? { skipped: saved.skipped.slice(0, MAX_FILES) } : {}),
    ...(about.branch === undefined ? {} : { branch: about.branch }),
    ...(command.type === 'edit' && about.agentSessionId !== undefined ? { agentSessionId: about.agentSessionId, simulated: about.simulated } : {}),
    ...(about.previewUrl === undefined ? {} : { previewUrl: about.previewUrl }),
    ...('pages' in ending && ending.pages !== undefined && ending.pages.length > 0 ? { pagesChecked: [...ending.pages] } : {}),
    ...('pageErrors' in ending && ending.pageErrors !== undefined && ending.pageErrors.length > 0 ? { pageErrors: [...ending.pageErrors] } : {}),
    ...('pictures' in ending && ending.pictures !== undefined && ending.pictures.length > 0
      ? { pictures: ending.pictures.map((name) => pictureUrl(command, name)) }
      : {}),
    ...(about.used === undefined ? {} : { costUsd: about.used.costUsd, tokens: about.used.tokens }),
    ...(run.begunAt === undefined ? {} : { durationMs: Math.max(0, about.at - run.begunAt) }),
    attempt: run.attempt,
  }
}

/** Where the HTTP API has it. */
const pictureUrl = ({ clientId, userId, projectId, threadId }: CommandRecord['command'], name: string): string =>
  `/api/threads/${[clientId, userId, threadId].map(encodeURIComponent).join('/')}/pictures/${name}?projectId=${encodeURIComponent(projectId)}`

/** The answer to a message that was taken back. */
export const withdrawn = ({ command }: CommandRecord): Result => ({
  sessionId: command.sessionId,
  commandId: command.commandId,
  timestamp: Date.now(),
  success: false,
  code: 'withdrawn',
  summary: 'Taken back before it had begun',
  error: 'This message was taken back before it had begun.',
})

const takenAlong = (heir: string): Pick<Result, 'success' | 'summary' | 'error' | 'code' | 'supersededBy'> => ({
  success: false,
  code: 'superseded',
  summary: 'Taken along by a newer message before it had begun',
  error: `A newer message (${heir}) took this one along before the agent had heard it; its text is not lost.`,
  supersededBy: heir,
})

function said(
  { command }: CommandRecord,
  ending: Ending,
  saved: Saved,
): Pick<Result, 'success' | 'summary' | 'error' | 'code' | 'interrupted' | 'question' | 'pushed'> {
  const kept = saved.kind === 'committed' ? `What was done is commit ${saved.commit.slice(0, 8)}.` : 'Nothing had been changed.'
  switch (ending.kind) {
    case 'completed':
      return {
        success: true,
        summary: summaryOf(command.type, ending.summary, saved),
        ...(ending.question === undefined ? {} : { question: ending.question }),
        ...(ending.pushed === undefined ? {} : { pushed: ending.pushed }),
      }
    case 'interrupted': {
      const by = ending.by === undefined || ending.by === 'user' ? 'on request' : `by a newer message (${ending.by})`
      return { success: false, interrupted: true, code: 'interrupted', summary: `Interrupted ${by}. ${kept}`, error: `Interrupted ${by}. ${kept}` }
    }
    case 'shutdown':
    case 'recovered':
      return {
        success: false,
        code: 'crashed',
        summary: `The service was stopped during this command. ${kept}`,
        error: `The service was stopped during this command. ${kept}`,
      }
    case 'failed':
      return { success: false, code: ending.code, summary: firstLine(ending.error, 200), error: printable(ending.error, MAX_SUMMARY) }
  }
}

function summaryOf(type: CommandRecord['command']['type'], summary: string, saved: Saved): string {
  if (type === 'commit') return saved.kind === 'committed' ? saved.commit : 'nothing to commit'
  return printable(summary, MAX_SUMMARY)
}
