import type { SDKResultMessage } from '@anthropic-ai/claude-agent-sdk'
import type { Ending } from '../command/ending.ts'
import { printable } from '../observe/text.ts'

/** How a turn of the agent ended. */
export type TurnEnd =
  /** `question`: what it wants to know before it goes on. */
  | { readonly kind: 'answered'; readonly text: string; readonly question?: string | undefined }
  /** `heard`: the message had been sent to the agent by then. */
  | { readonly kind: 'stopped'; readonly heard: boolean }
  /** Nothing was heard of it for too long. */
  | { readonly kind: 'silent' }
  /** `refused`: the model itself answered with an error. */
  | { readonly kind: 'failed'; readonly failure: Extract<Ending, { kind: 'failed' }>; readonly refused?: boolean }

/** A turn that is over, and where it left the conversation. */
export interface Turned {
  readonly end: TurnEnd
  /** The last message of the conversation, where any was heard. */
  readonly said?: string | undefined
  /** Keys of the messages that were steered in and that the agent never read. */
  readonly unread: readonly string[]
}

interface Circumstances {
  readonly stopped: boolean
  readonly question: string | undefined
}

/** Reads the agent's result by its `is_error`; `subtype` says `success` of a refusal by the API too. */
export function turnEnd(result: SDKResultMessage, { stopped, question }: Circumstances): TurnEnd {
  if (!result.is_error) return { kind: 'answered', text: result.subtype === 'success' ? result.result : '' }
  if (stopped) return { kind: 'stopped', heard: true }
  if (question !== undefined) return { kind: 'answered', text: question, question }
  const refused = result.subtype === 'success' && result.terminal_reason === 'api_error'
  return { kind: 'failed', refused, failure: { kind: 'failed', code: 'agent_failed', ...reasonOf(result) } }
}

export const diedEnd = (why: string): TurnEnd => ({
  kind: 'failed',
  failure: { kind: 'failed', code: 'agent_failed', error: `Claude Code ended by itself: ${printable(why, 1000)}`, mayPass: true },
})

function reasonOf(result: SDKResultMessage): { error: string; mayPass: boolean } {
  const said = printable(result.subtype === 'success' ? result.result : result.errors.join('\n'), 2000)
  if (result.subtype !== 'success' || result.terminal_reason !== 'api_error')
    return { error: said || `Claude Code ended with ${result.terminal_reason ?? result.subtype}`, mayPass: false }
  const status = result.api_error_status ?? undefined
  const mayPass = status === undefined || status === 408 || status === 429 || status >= 500
  return { error: `The model answered ${status ?? 'nothing'}: ${said}`, mayPass }
}
