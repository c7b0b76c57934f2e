import { describe, expect, it } from 'vitest'
import type { NewEvent, RunEvent } from '../command/event.ts'
import { after, EMPTY, shownIn, waitingIn } from './thread-view.ts'

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

describe('messages', () => {
  const accepted = (commandId: string, delivery: string, more: object = {}): NewEvent => ({
    type: 'command.accepted',
    commandId,
    instruction: commandId,
    commandType: 'edit',
    delivery,
    ...more,
  })
  const started = (commandId: string): NewEvent => ({ type: 'run.started', commandId, attempt: 1 })
  const ended = (commandId: string, more: object = {}): NewEvent => ({ type: 'run.ended', commandId, success: true, summary: '', ...more })
  const texts = (view: ReturnType<typeof viewOf>) => shownIn(view).map((entry) => (entry.kind === 'message' ? entry.text : entry.kind))

  it('wait above the box, and stand in the conversation where their turn began', () => {
    const events = [accepted('a', 'interrupt'), started('a'), accepted('b', 'queue'), accepted('c', 'queue')]
    expect(waitingIn(viewOf(...events)).map(({ text }) => text)).toEqual(['b', 'c'])
    const later = viewOf(...events, { type: 'agent.said', runId: 'a#1', text: 'done a' }, ended('a'), started('b'))
    expect(texts(later)).toEqual(['a', 'said', 'b'])
    expect(waitingIn(later).map(({ text }) => text)).toEqual(['c'])
  })

  it('that interrupt are seen at once, and wait for nobody', () => {
    const view = viewOf(accepted('a', 'interrupt'), started('a'), accepted('b', 'interrupt'))
    expect([texts(view), waitingIn(view)]).toEqual([['a', 'b'], []])
  })

  it('that were taken back are gone, that another one took along stay, and that were told end with their run', () => {
    const view = viewOf(
      accepted('a', 'interrupt'),
      started('a'),
      accepted('b', 'queue'),
      ended('b', { success: false, code: 'withdrawn' }),
      accepted('c', 'queue'),
      ended('c', { success: false, code: 'superseded' }),
      accepted('d', 'steer'),
      ended('d'),
    )
    expect(texts(view)).toEqual(['a', 'c', 'd'])
    expect(shownIn(view).map((entry) => (entry.kind === 'message' ? entry.state : ''))).toEqual(['running', 'joined', 'done'])
  })

  it('that ask for a plan can be carried out, and a question has its answers as buttons', () => {
    const planned = viewOf(accepted('a', 'interrupt', { mode: 'plan' }), started('a'), ended('a', { summary: 'A plan' }))
    expect(shownIn(planned).at(-1)).toMatchObject({ kind: 'ended', planned: true })
    expect(viewOf({ type: 'question.asked', question: 'Which?\n- Green: like grass\n- Blue' }).entries).toMatchObject([
      { text: 'Which?', options: ['Green: like grass', 'Blue'] },
    ])
    expect(viewOf({ type: 'question.asked', question: 'One?\n- a\n\nTwo?\n- b' }).entries).toMatchObject([{ options: [] }])
  })
})
