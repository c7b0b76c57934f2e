import type { RunEvent } from '../command/event.ts'

/** A message to the thread, or something else that was asked for, such as a push. */
export interface Message {
  readonly kind: 'message'
  readonly key: string
  readonly commandId: string
  readonly type: string
  readonly text: string
  readonly plan: boolean
  /** It does not wait for what runs. */
  readonly interrupts: boolean
  /** The agent was told it while it worked on another one. */
  readonly told: boolean
  readonly author: string | undefined
  readonly attachments: readonly string[]
  /** `joined`: a newer one took it along. */
  readonly state: 'waiting' | 'running' | 'joined' | 'withdrawn' | 'done' | 'failed'
}

/** What a thread shows, one after the other. */
export type Entry =
  | Message
  | { readonly kind: 'said'; readonly key: string; readonly runId: string | undefined; readonly text: string }
  | {
      readonly kind: 'tool'
      readonly key: string
      readonly tool: string
      readonly input: string
      readonly output: string | undefined
      readonly failed: boolean
    }
  | { readonly kind: 'commit'; readonly key: string; readonly commit: string; readonly subject: string; readonly files: readonly string[] }
  | { readonly kind: 'question'; readonly key: string; readonly text: string; readonly options: readonly string[] }
  | {
      readonly kind: 'ended'
      readonly key: string
      readonly type: string
      readonly success: boolean
      readonly code: string | undefined
      readonly text: string
      /** The message asked for a plan, which can be carried out now. */
      readonly planned: boolean
      readonly pictures: readonly string[]
    }
  | { readonly kind: 'gap'; readonly key: string }

export interface ThreadView {
  readonly entries: readonly Entry[]
  readonly running: string | undefined
  /** What goes on, in words, while nothing else is to be seen. */
  readonly progress: string | undefined
  readonly plan: readonly { readonly text: string; readonly state: string }[]
  /** Counts what changes how the thread stands, so that it is asked for anew. */
  readonly version: number
  /** In USD, of the thread. */
  readonly costUsd: number | undefined
  readonly files: readonly string[]
}

export const EMPTY: ThreadView = {
  entries: [],
  running: undefined,
  progress: undefined,
  plan: [],
  version: 0,
  costUsd: undefined,
  files: [],
}

/** What a thread shows after some more events. */
export const after = (view: ThreadView, events: readonly RunEvent[]): ThreadView => events.reduce(afterOne, view)

/** Messages that wait for their turn, in that order. */
export const waitingIn = ({ entries }: ThreadView): readonly Message[] =>
  entries.filter((entry): entry is Message => entry.kind === 'message' && entry.state === 'waiting' && !entry.interrupts)

/** What is shown in the conversation: what waits is shown above the message box, and an end that says nothing new is not shown. */
export function shownIn({ entries }: ThreadView): readonly Entry[] {
  return entries.filter((entry, at) => {
    if (entry.kind === 'message') return (entry.state !== 'waiting' || entry.interrupts) && entry.state !== 'withdrawn'
    return entry.kind !== 'ended' || !entry.success || entry.planned || entry.pictures.length > 0 || !repeats(entry.text, entries[at - 1])
  })
}

/** Whether what came before says the same. */
export function repeats(text: string, before: Entry | undefined): boolean {
  if (before?.kind === 'said') return before.text.includes(text)
  if (before?.kind === 'question') return true
  return before?.kind === 'commit' && (text === '' || text.startsWith(before.subject.replace(/…$/, '')))
}

function afterOne(view: ThreadView, event: RunEvent): ThreadView {
  const add = (entry: Entry, more: Partial<ThreadView> = {}): ThreadView => ({ ...view, ...more, entries: [...view.entries, entry] })
  const key = event.id
  switch (event.type) {
    case 'command.accepted':
      return add({
        kind: 'message',
        key,
        commandId: event.commandId ?? '',
        type: event.commandType,
        text: event.instruction,
        plan: event.mode === 'plan',
        interrupts: event.delivery === 'interrupt',
        told: event.delivery === 'steer' && view.running !== undefined,
        author: event.author,
        attachments: event.attachments ?? [],
        state: event.delivery === 'steer' && view.running !== undefined ? 'running' : 'waiting',
      })
    case 'run.started':
      return { ...view, entries: begun(view.entries, event.commandId), running: event.commandId, plan: [], files: [] }
    case 'agent.said':
      return { ...view, progress: undefined, entries: said(view.entries, event) }
    case 'tool.started':
      return add({ kind: 'tool', key: event.toolUseId, tool: event.tool, input: event.input, output: undefined, failed: false }, { progress: undefined })
    case 'tool.ended':
      return { ...view, entries: answered(view.entries, event) }
    case 'files.changed':
      return { ...view, files: event.files }
    case 'commit.made':
      return add({ kind: 'commit', key, commit: event.commit, subject: event.subject, files: view.files }, { version: view.version + 1 })
    case 'question.asked':
      return add({ kind: 'question', key, ...asked(event.question) })
    case 'plan.changed':
      return { ...view, plan: event.items }
    case 'progress':
      return { ...view, progress: event.text }
    case 'cost.counted':
      return { ...view, costUsd: event.totalCostUsd }
    case 'preview.changed':
      return { ...view, version: view.version + 1 }
    case 'run.ended':
      return ended(view, event)
    case 'gap':
      return add({ kind: 'gap', key })
    case 'workspace.ready':
      return { ...view, progress: undefined, version: view.version + 1 }
    case 'step.reached':
      return view
  }
}

function ended(view: ThreadView, event: Extract<RunEvent, { type: 'run.ended' }>): ThreadView {
  const { commandId = '', success, code, summary, error } = event
  const state = code === 'superseded' ? 'joined' : code === 'withdrawn' ? 'withdrawn' : success ? 'done' : 'failed'
  const message = view.entries.find((entry): entry is Message => entry.kind === 'message' && entry.commandId === commandId)
  const entries = changed(view.entries, commandId, (entry) => ({ ...entry, state }))
  const over = view.running === commandId ? { running: undefined, progress: undefined } : {}
  const counted = { ...view, ...over, entries, version: view.version + 1 }
  // What was told to a running agent ends with that run, which says so itself.
  if (state === 'joined' || state === 'withdrawn' || message?.told === true) return counted
  const line: Entry = {
    kind: 'ended',
    key: event.id,
    type: message?.type ?? '',
    success,
    code,
    text: error ?? summary,
    planned: success && message?.plan === true,
    pictures: event.pictures ?? [],
  }
  return { ...counted, entries: [...entries, line] }
}

function said(entries: readonly Entry[], { id, runId, text }: Extract<RunEvent, { type: 'agent.said' }>): readonly Entry[] {
  const last = entries.at(-1)
  if (last?.kind === 'said' && last.runId === runId) return entries.with(-1, { ...last, text: last.text + text })
  return [...entries, { kind: 'said', key: id, runId, text }]
}

function answered(entries: readonly Entry[], { toolUseId, output, failed }: Extract<RunEvent, { type: 'tool.ended' }>): readonly Entry[] {
  const at = entries.findLastIndex((entry) => entry.kind === 'tool' && entry.key === toolUseId)
  const found = entries[at]
  return found?.kind === 'tool' ? entries.with(at, { ...found, output, failed }) : entries
}

function changed(entries: readonly Entry[], commandId: string | undefined, change: (entry: Message) => Message): readonly Entry[] {
  const at = entries.findLastIndex((entry) => entry.kind === 'message' && entry.commandId === commandId)
  const found = entries[at]
  return found?.kind === 'message' ? entries.with(at, change(found)) : entries
}

/** A message stands where its turn began, and not where it was written. */
function begun(entries: readonly Entry[], commandId: string | undefined): readonly Entry[] {
  const at = entries.findLastIndex((entry) => entry.kind === 'message' && entry.commandId === commandId)
  const found = entries[at]
  if (found?.kind !== 'message') return entries
  const running: Message = { ...found, state: 'running', told: false }
  return found.state === 'waiting' ? [...entries.toSpliced(at, 1), running] : entries.with(at, running)
}

/** A question as the service writes it: below each question its possible answers, as a list. */
function asked(question: string): { readonly text: string; readonly options: readonly string[] } {
  const lines = question.split('\n')
  const options = lines.filter((line) => line.startsWith('- ')).map((line) => line.slice(2))
  const several = lines.filter((line) => line !== '' && !line.startsWith('- ')).length > 1
  // The answers of several questions do not fit into one press of a button.
  return several ? { text: question, options: [] } : { text: lines.filter((line) => !line.startsWith('- ')).join('\n'), options }
}
