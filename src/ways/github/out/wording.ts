import type { Result } from '../../../command/result.ts'
import { IssueStep } from '../../../command/event.ts'
import { STEP_NAMES } from './steps.ts'
import { quietLine, quietText } from '../text.ts'
import type { IssueThread } from '../threads.ts'

export type Plan = readonly { readonly text: string; readonly state: 'pending' | 'in_progress' | 'completed' }[]

/** How the work for an issue stands. */
export type Standing =
  | { readonly kind: 'working' }
  | { readonly kind: 'pull request'; readonly summary: string }
  | { readonly kind: 'answered' }
  | { readonly kind: 'question' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'closed' }

interface Shown {
  readonly thread: IssueThread
  readonly standing: Standing
  readonly steps: ReadonlySet<IssueStep>
  readonly plan: Plan
  readonly costUsd: number
  readonly saying: string
  readonly webUrl: string
  readonly simulated: boolean
}

const MAX_ITEMS = 30
const money = (usd: number): string => `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`
const SIMULATED = '\n\n*Simulated: a scripted model worked on this, not a real one.*'

/** The one comment on an issue that says how its work stands. */
export function progressText({ thread, standing, steps, plan, costUsd, saying, webUrl, simulated }: Shown): string {
  const branch = `thread-${thread.threadId}`
  const link = `[\`${branch}\`](${webUrl}/${thread.repository.owner}/${thread.repository.name}/tree/${branch})`
  const pushed = steps.has('branch') || thread.pull !== undefined
  const about = [...(pushed ? [`Branch ${link}`] : standing.kind === 'working' ? [`Branch \`${branch}\``] : []), ...(costUsd > 0 ? [money(costUsd)] : [])].join(
    ' · ',
  )
  const list = standing.kind === 'working' ? `\n\n${checklist(steps, plan)}${saying === '' ? '' : `\n\n${quietLine(saying, 300)}`}` : ''
  return `${headline(standing, thread)}${about === '' ? '' : `\n\n${about}`}${list}${simulated ? SIMULATED : ''}`
}

function headline(standing: Standing, { pull }: IssueThread): string {
  const where = pull === undefined ? '' : `[Pull request #${pull.number}](${pull.url})`
  switch (standing.kind) {
    case 'working':
      return pull === undefined ? '**Working on it.**' : `**Working on it.** ${where} gets what comes of it.`
    case 'pull request':
      return `**Done:** ${where}\n\n${quietLine(standing.summary.split('\n')[0] ?? '', 300)}`
    case 'answered':
      return `**Answered.** Nothing was changed.${pull === undefined ? '' : ` ${where} is as it was.`}`
    case 'question':
      return '**A question for you.** Answer it in a comment; it goes on from there.'
    case 'stopped':
      return '**Stopped.** What was done so far is kept; the next comment goes on from it.'
    case 'failed':
      return '**This did not work.** The answer says why.'
    case 'closed':
      return '**Closed.** The branch and the conversation are kept.'
  }
}

/** What the agent means to do, where it keeps a list; else how far the work has come. */
function checklist(steps: ReadonlySet<IssueStep>, plan: Plan): string {
  if (plan.length > 0)
    return plan
      .slice(0, MAX_ITEMS)
      .map(({ text, state }) => `- [${state === 'completed' ? 'x' : ' '}] ${state === 'in_progress' ? `**${quietLine(text, 200)}**` : quietLine(text, 200)}`)
      .join('\n')
  return IssueStep.options.map((step) => `- [${steps.has(step) ? 'x' : ' '}] ${STEP_NAMES[step]}`).join('\n')
}

const shown = (pictures: readonly string[]): string => pictures.map((url) => `<img src="${url}" width="400">`).join(' ')

/** What a pull request says: why, in words that GitHub acts on; what; how it was checked, and how it looks. */
export function pullRequestText(
  thread: IssueThread,
  result: Result,
  {
    pictures,
    closes,
    files,
    subjects,
  }: { readonly pictures: readonly string[]; readonly closes: boolean; readonly files: readonly string[]; readonly subjects: readonly string[] },
): string {
  const commits = subjects.slice(-MAX_ITEMS).map((subject) => `- ${quietLine(subject, 200)}`)
  const list = files.slice(0, 100).map((file) => `- \`${quietLine(file.replaceAll('`', "'"), 200)}\``)
  const parts = [
    closes ? `Closes #${thread.number}` : `Asked for in #${thread.number}`,
    `## What\n\n${quietText(result.summary, 20_000)}`,
    ...(commits.length > 1 ? [`In ${subjects.length} commits:\n\n${commits.join('\n')}`] : []),
    `## How it was checked\n\n${checkedText(result)}`,
    ...(pictures.length === 0 ? [] : [`## How it looks\n\n${shown(pictures)}`]),
    ...(files.length === 0 ? [] : [`<details><summary>${files.length} ${files.length === 1 ? 'file' : 'files'}</summary>\n\n${list.join('\n')}\n</details>`]),
    ...(result.simulated === true ? [SIMULATED.trim()] : []),
  ]
  return parts.join('\n\n')
}

function checkedText({ pageErrors = [], pagesChecked = [] }: Result): string {
  if (pageErrors.length > 0)
    return `The preview shows errors:\n\n${pageErrors
      .slice(0, 10)
      .map((error) => `- ${quietLine(error, 300)}`)
      .join('\n')}`
  if (pagesChecked.length > 0)
    return `Opened in the preview, without an error: ${pagesChecked
      .slice(0, 10)
      .map((page) => `\`${quietLine(page.replaceAll('`', ''), 200)}\``)
      .join(', ')}`
  return 'Nothing was run by the service; the checks of this pull request tell.'
}

/** What somebody is told who asked for something. */
export function answerText(result: Result, pull: IssueThread['pull'] | undefined, pictures: readonly string[]): string {
  const simulated = result.simulated === true ? SIMULATED : ''
  const question = result.question === undefined ? '' : `**A question:** ${quietText(result.question, 10_000)}\n\nAnswer in a comment; it goes on from there.`
  if (result.success && result.commit !== undefined && pull !== undefined)
    return `Done in ${result.commit.slice(0, 8)} on [#\u200B${pull.number}](${pull.url}).\n\n${quietText(result.summary, 20_000)}${pictures.length === 0 ? '' : `\n\n${shown(pictures)}`}${question === '' ? '' : `\n\n${question}`}${simulated}`
  if (question !== '') return `${question}${simulated}`
  if (result.success) return `${quietText(result.summary, 30_000)}${simulated}`
  return `**This did not work.** ${quietText(result.error ?? result.summary, 10_000)}\n\n${whatToDo(result)}${simulated}`
}

function whatToDo({ code, commit, branch }: Result): string {
  const kept = commit === undefined || branch === undefined ? '' : ` What was done by then is on the branch \`${branch}\`.`
  switch (code) {
    case 'budget':
      return `It reached what it may cost. Ask for less at once, or have the limit raised; a comment goes on from here.${kept}`
    case 'timeout':
      return `It took too long. Ask for a smaller step; a comment goes on from here.${kept}`
    case 'rate_limited':
      return `The model takes no requests for now. Comment again later; it goes on from here.${kept}`
    case 'push_conflict':
      return 'The branch at GitHub holds other commits that conflict. Merge or remove those, then comment again.'
    case 'push_failed':
      return `The branch could not be pushed. Comment again to have it tried once more; if it goes on, whoever runs the service has to look.${kept}`
    case 'workspace_failed':
    case 'disk_full':
    case 'crashed':
      return `This is for whoever runs the service to look at; then comment again.${kept}`
    case undefined:
    case 'interrupted':
    case 'superseded':
    case 'withdrawn':
    case 'agent_failed':
    case 'build_failed':
    case 'preview_failed':
    case 'rejected':
      return `Say what should be done differently in a comment; it goes on from here.${kept}`
  }
}
