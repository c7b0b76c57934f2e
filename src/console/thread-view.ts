import type { RunEvent } from '../command/event.ts'

/** What a thread shows, one after the other. */
export type Entry =
  | {
      readonly kind: 'message'
      readonly key: string
      readonly commandId: string
      readonly type: string
      readonly text: string
      readonly state: 'waiting' | 'running' | 'done' | 'failed'
    }
  | { readonly kind: 'said'; readonly key: string; readonly runId: string | undefined; readonly text: string }
  | {
      readonly kind: 'tool'
      readonly key: string
      readonly tool: string
      readonly input: string
      readonly output: string | undefined
      readonly failed: boolean
    }
  | { readonly kind: 'commit'; readonly key: string; readonly commit: string; readonly subject: string; readonly outcome: string }
  | { readonly kind: 'question'; readonly key: string; readonly text: string }
  | { readonly kind: 'ended'; readonly key: string; readonly success: boolean; readonly code: string | undefined; readonly text: string }
  | { readonly kind: 'gap'; readonly key: string }

export interface ThreadView {
  readonly entries: readonly Entry[]
  readonly running: string | undefined
  readonly progress: string | undefined
  readonly plan: readonly { readonly text: string; readonly state: string }[]
  readonly previewChanges: number
  /** In USD, of the thread. */
  readonly costUsd: number | undefined
}

export const EMPTY: ThreadView = { entries: [], running: undefined, progress: undefined, plan: [], previewChanges: 0, costUsd: undefined }

/** What a thread shows after one more event. */
export function after(view: ThreadView, event: RunEvent): ThreadView {
  const add = (entry: Entry, more: Partial<ThreadView> = {}): ThreadView => ({ ...view, ...more, entries: [...view.entries, entry] })
  const key = event.id
  switch (event.type) {
    case 'command.accepted':
      return add({ kind: 'message', key, commandId: event.commandId ?? '', type: event.commandType, text: event.instruction, state: 'waiting' })
    case 'run.started':
      return { ...view, entries: stood(view.entries, event.commandId, 'running'), running: event.commandId, plan: [] }
    case 'agent.said':
      return { ...view, progress: undefined, entries: said(view.entries, event) }
    case 'tool.started':
      return add({ kind: 'tool', key: event.toolUseId, tool: event.tool, input: event.input, output: undefined, failed: false })
    case 'tool.ended':
      return {
        ...view,
        entries: view.entries.map((entry) =>
          entry.kind === 'tool' && entry.key === event.toolUseId ? { ...entry, output: event.output, failed: event.failed } : entry,
        ),
      }
    case 'commit.made':
      return add({ kind: 'commit', key, commit: event.commit, subject: event.subject, outcome: event.outcome })
    case 'question.asked':
      return add({ kind: 'question', key, text: event.question })
    case 'plan.changed':
      return { ...view, plan: event.items }
    case 'progress':
      return { ...view, progress: event.text }
    case 'cost.counted':
      return { ...view, costUsd: event.totalCostUsd }
    case 'preview.changed':
      return { ...view, previewChanges: view.previewChanges + 1 }
    case 'run.ended': {
      const entries = stood(view.entries, event.commandId, event.success ? 'done' : 'failed')
      const ended: Entry = { kind: 'ended', key, success: event.success, code: event.code, text: event.summary }
      const wasIt = view.running === event.commandId
      return { ...view, entries: [...entries, ended], running: wasIt ? undefined : view.running, progress: wasIt ? undefined : view.progress }
    }
    case 'gap':
      return add({ kind: 'gap', key })
    case 'workspace.ready':
    case 'step.reached':
    case 'files.changed':
      return view
  }
}

function said(entries: readonly Entry[], { id, runId, text }: Extract<RunEvent, { type: 'agent.said' }>): readonly Entry[] {
  const last = entries.at(-1)
  if (last?.kind === 'said' && last.runId === runId) return [...entries.slice(0, -1), { ...last, text: last.text + text }]
  return [...entries, { kind: 'said', key: id, runId, text }]
}

const stood = (entries: readonly Entry[], commandId: string | undefined, state: 'running' | 'done' | 'failed'): readonly Entry[] =>
  entries.map((entry) => (entry.kind === 'message' && entry.commandId === commandId ? { ...entry, state } : entry))
