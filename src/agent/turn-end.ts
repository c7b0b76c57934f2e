import type { SDKResultMessage } from '@anthropic-ai/claude-agent-sdk'
import type { Ending, Usage } from '../command/ending.ts'
import { printable } from '../observe/text.ts'

/** How a turn of the agent ended. `agentTotalUsd` is what its whole conversation has cost so far. */
export type TurnEnd =
  | { readonly kind: 'answered'; readonly text: string; readonly usage: Usage; readonly agentTotalUsd: number }
  /** `heard`: the message had been sent to the agent by then. */
  | { readonly kind: 'stopped'; readonly heard: boolean; readonly usage?: Usage; readonly agentTotalUsd?: number }
  /** Nothing was heard of it for too long. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'failed'; readonly failure: Extract<Ending, { kind: 'failed' }>; readonly agentTotalUsd?: number }

/** Reads the agent's result by its `is_error`; `subtype` says `success` of a refusal by the API too. */
export function turnEnd(result: SDKResultMessage, stopped: boolean): TurnEnd {
  const agentTotalUsd = result.total_cost_usd
  const usage = usageOf(result)
  if (!result.is_error) return { kind: 'answered', text: result.subtype === 'success' ? result.result : '', usage, agentTotalUsd }
  if (stopped) return { kind: 'stopped', heard: true, usage, agentTotalUsd }
  return { kind: 'failed', agentTotalUsd, failure: { kind: 'failed', ...reasonOf(result), usage } }
}

export const diedEnd = (why: string): TurnEnd => ({
  kind: 'failed',
  failure: { kind: 'failed', code: 'agent_failed', error: `Claude Code ended by itself: ${printable(why, 1000)}`, mayPass: true },
})

/** The cost of one turn is not in its result, only the running total; whoever knows the former total takes the difference. */
function usageOf({ usage }: SDKResultMessage): Usage {
  return {
    costUsd: 0,
    tokens: {
      input: usage.input_tokens ?? 0,
      output: usage.output_tokens ?? 0,
      cacheRead: usage.cache_read_input_tokens ?? 0,
      cacheWrite: usage.cache_creation_input_tokens ?? 0,
    },
  }
}

function reasonOf(result: SDKResultMessage): { code: 'budget' | 'agent_failed'; error: string; mayPass: boolean } {
  if (result.subtype === 'error_max_budget_usd' || result.terminal_reason === 'budget_exhausted') {
    return { code: 'budget', error: 'What this command may cost has been spent (maxCostUsd). What was done is committed.', mayPass: false }
  }
  const said = printable(result.subtype === 'success' ? result.result : result.errors.join('\n'), 2000)
  if (result.subtype !== 'success' || result.terminal_reason !== 'api_error')
    return { code: 'agent_failed', error: said || `Claude Code ended with ${result.terminal_reason ?? result.subtype}`, mayPass: false }
  const status = result.api_error_status ?? undefined
  const mayPass = status === undefined || status === 408 || status === 429 || status >= 500
  return { code: 'agent_failed', error: `The model answered ${status ?? 'nothing'}: ${said}`, mayPass }
}
