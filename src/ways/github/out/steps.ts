import type { IssueStep, RunEvent } from '../../../command/event.ts'

/** How a person reads them. */
export const STEP_NAMES: Readonly<Record<IssueStep, string>> = {
  received: 'Received',
  verified: 'Signature and sender checked',
  container: 'Its turn has come',
  workspace: 'Work tree ready',
  analysis: 'Reading and thinking',
  solution: 'Working on a solution',
  changes: 'Changes committed',
  branch: 'Branch pushed',
  'pull request': 'Pull request open',
  'clean-up': 'Told here, and tidied up',
}

/** The step that is reached with an event of a run; the first and the last ones are reached elsewhere. */
export function stepOf(event: RunEvent): IssueStep | undefined {
  return event.type === 'tool.started' && CHANGING.has(event.tool) ? 'solution' : REACHED[event.type]
}

const CHANGING: ReadonlySet<string> = new Set(['Write', 'Edit', 'NotebookEdit', 'Bash'])
const REACHED: Readonly<Partial<Record<RunEvent['type'], IssueStep>>> = {
  'run.started': 'container',
  'workspace.ready': 'workspace',
  'agent.said': 'analysis',
  'tool.started': 'analysis',
  'commit.made': 'changes',
}
