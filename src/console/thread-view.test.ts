import { describe, expect, it } from 'vitest'
import type { NewEvent, RunEvent } from '../command/event.ts'
import { after, EMPTY } from './thread-view.ts'

const viewOf = (...events: readonly NewEvent[]) =>
  after(
    EMPTY,
    events.map((event, at) => ({ ...event, id: `1.${at}`, at, threadId: 't' }) as RunEvent),
  )

describe('what a thread shows', () => {
  it('joins what the agent says in a row, and no further', () => {
    const { entries } = viewOf(
      { type: 'agent.said', runId: 'a#1', text: 'One ' },
      { type: 'agent.said', runId: 'a#1', text: 'word' },
      { type: 'tool.started', tool: 'Read', toolUseId: 'u', input: '{}' },
      { type: 'agent.said', runId: 'a#1', text: 'Done' },
    )
    expect(entries.map((entry) => (entry.kind === 'said' ? entry.text : entry.kind))).toEqual(['One word', 'tool', 'Done'])
  })

  it('says of a message whether it waits, runs or is over, and of a tool what it answered', () => {
    const accepted: NewEvent = { type: 'command.accepted', commandId: 'a', instruction: 'x', commandType: 'edit' }
    const started: NewEvent = { type: 'run.started', commandId: 'a', attempt: 1 }
    const tool: NewEvent = { type: 'tool.started', tool: 'Read', toolUseId: 'u', input: '{}' }
    expect(viewOf(accepted)).toMatchObject({ running: undefined, entries: [{ kind: 'message', state: 'waiting' }] })
    expect(viewOf(accepted, started)).toMatchObject({ running: 'a', entries: [{ state: 'running' }] })
    const over = viewOf(
      accepted,
      started,
      tool,
      { type: 'tool.ended', toolUseId: 'u', failed: true, output: 'no such file' },
      { type: 'run.ended', commandId: 'a', success: false, summary: 'y' },
    )
    expect(over).toMatchObject({
      running: undefined,
      entries: [{ state: 'failed' }, { failed: true, output: 'no such file' }, { kind: 'ended', success: false }],
    })
  })

  it('says where events are missing', () => {
    expect(viewOf({ type: 'gap', from: '1.0', to: '1.9' }).entries).toEqual([{ kind: 'gap', key: '1.0' }])
  })
})
