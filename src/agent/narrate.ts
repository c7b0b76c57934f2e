import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk'
import type { NewEvent } from '../command/event.ts'
import { printable } from '../observe/text.ts'
import { Plan } from './plan.ts'

const MAX_SHOWN = 2000
const FLUSH_MS = 100
/** What the agent means to do is told as a plan. */
const PLANNING: ReadonlySet<string> = new Set(['TaskCreate', 'TaskUpdate'])

/**
 * Turns what the agent's process says into events of ours: text joined, at most ten pieces a second, tools with their input
 * and their answer cut short.
 */
export class Narrator implements Disposable {
  readonly #tell: (event: NewEvent) => void
  readonly #questions = new Set<string>()
  readonly #plan = new Plan()
  readonly #planning = new Set<string>()
  #said = ''
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (event: NewEvent) => void) {
    this.#tell = tell
  }

  hear(message: SDKMessage): void {
    if (message.type === 'stream_event') return this.#delta(message)
    if (message.type === 'assistant') return this.#blocks(message.message.content)
    if (message.type === 'user') return this.#answers(message.message.content, message.tool_use_result)
    if (message.type === 'system' && message.subtype === 'api_retry') {
      const wait = Math.round(message.retry_delay_ms / 1000)
      this.#say({
        type: 'progress',
        text: `The model answered ${message.error_status ?? 'nothing'}; asking again in ${wait} s (${message.attempt} of ${message.max_retries})`,
      })
    }
  }

  #delta({ event, parent_tool_use_id }: Extract<SDKMessage, { type: 'stream_event' }>): void {
    if (parent_tool_use_id !== null || event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') return
    this.#said += event.delta.text
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS)
  }

  #blocks(content: Extract<SDKMessage, { type: 'assistant' }>['message']['content']): void {
    for (const block of content) {
      if (block.type === 'text') this.#flush('\n')
      if (block.type !== 'tool_use') continue
      // A question is told as one, by the end of its turn.
      if (block.name === 'AskUserQuestion') this.#questions.add(block.id)
      else if (PLANNING.has(block.name)) {
        this.#planning.add(block.id)
        if (this.#plan.called(block.name, block.id, block.input)) this.#say({ type: 'plan.changed', items: this.#plan.items })
      } else this.#say({ type: 'tool.started', tool: block.name, toolUseId: block.id, input: printable(JSON.stringify(block.input), MAX_SHOWN) })
    }
  }

  #answers(content: Extract<SDKMessage, { type: 'user' }>['message']['content'], result: unknown): void {
    if (typeof content === 'string') return
    for (const block of content) {
      if (block.type === 'tool_result' && this.#planning.delete(block.tool_use_id)) {
        if (this.#plan.answered(block.tool_use_id, result)) this.#say({ type: 'plan.changed', items: this.#plan.items })
        continue
      }
      if (block.type !== 'tool_result' || this.#questions.has(block.tool_use_id)) continue
      const said =
        typeof block.content === 'string'
          ? block.content
          : (block.content ?? []).map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('\n')
      this.#say({ type: 'tool.ended', toolUseId: block.tool_use_id, failed: block.is_error ?? false, output: printable(said, MAX_SHOWN) })
    }
  }

  #say(event: NewEvent): void {
    this.#flush()
    this.#tell(event)
  }

  #flush(end = ''): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#said === '') return
    this.#tell({ type: 'agent.said', text: printable(this.#said + end, 100_000) })
    this.#said = ''
  }

  [Symbol.dispose](): void {
    this.#flush()
  }
}
