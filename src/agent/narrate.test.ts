import type { SDKMessage } from '@anthropic-ai/claude-agent-sdk'
import { expect, it } from 'vitest'
import type { NewEvent } from '../command/event.ts'
import { Narrator } from './narrate.ts'

function told(...tools: readonly (readonly [name: string, input: object])[]): readonly NewEvent[] {
  const events: NewEvent[] = []
  using narrator = new Narrator((event) => void events.push(event))
  const content = tools.map(([name, input], n) => ({ type: 'tool_use', id: `call-${n}`, name, input }))
  narrator.hear({ type: 'assistant', message: { content } } as unknown as SDKMessage)
  return events
}

it.each(['Bash', 'TaskStop', 'TaskOutput', 'Task'])('%s is told as a tool', (tool) => {
  expect(told([tool, { a: 1 }])).toMatchObject([{ type: 'tool.started', tool, input: '{"a":1}' }])
})

it.each(['TaskCreate', 'TaskUpdate'])('%s is told as a plan, not as a tool', (tool) => {
  expect(told([tool, { subject: 'Write it', taskId: '1' }])).toEqual([])
})
