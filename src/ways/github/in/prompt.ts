import type { Message } from './event.ts'
import { shownText } from '../text.ts'

/** What an agent is told of a message: who says it, where, and what, as its page shows it. */
export function instructionOf(message: Message, isFirst: boolean, before: string | undefined): string {
  const { subject, number, onPull, actor } = message
  const what = onPull ? 'pull request' : 'issue'
  const whole = `GitHub ${what} #${number} by @${subject.author}: ${shownText(subject.title)}\n\n${shownText(subject.body)}`.trim()
  const history = isFirst && before !== undefined ? `\n\n(An earlier pull request for it, ${before}, is closed. This begins from the default branch.)` : ''
  switch (message.by) {
    case 'opened':
      return whole + history
    case 'labeled':
      return `${whole}${history}\n\n(@${actor.login} gave it the label ${shownText(message.name ?? '')}.)`
    case 'assigned':
      return `${whole}${history}\n\n(@${actor.login} assigned it to ${shownText(message.name ?? '')}.)`
    case 'comment':
      return isFirst ? `${whole}${history}\n\nComment by @${actor.login}:\n\n${shownText(message.text)}` : `@${actor.login}: ${shownText(message.text)}`
    case 'review':
      return `${isFirst ? `${whole}\n\n` : ''}Review of the pull request by @${actor.login}: ${shownText(message.text)}`
    case 'review comment': {
      const { path, line, hunk } = message.code ?? { path: '', line: undefined, hunk: '' }
      const where = `${shownText(path)}${line === undefined ? '' : `, line ${line}`}`
      const around = shownText(hunk).split('\n').slice(-12).join('\n')
      return `${isFirst ? `${whole}\n\n` : ''}Review comment by @${actor.login} on ${where}: ${shownText(message.text)}\n\n${around}`.trim()
    }
  }
}

/** Output of a check is anybody's text. */
export interface FailedCheck {
  readonly name: string
  readonly conclusion: string
  readonly title: string
  readonly summary: string
}
const MAX_OUTPUT = 4000

export function checksInstruction(sha: string, checks: readonly FailedCheck[]): string {
  const each = checks.map(({ name, conclusion, title, summary }) => {
    const said = shownText([title, summary].filter((text) => text !== '').join('\n')).slice(0, MAX_OUTPUT)
    return `${shownText(name).slice(0, 200)} (${conclusion})${said === '' ? '' : `:\n${said}`}`
  })
  return `Checks of your commit ${sha.slice(0, 12)} on the pull request have failed. Find out why, and mend what your change broke.\n\n${each.join('\n\n')}`
}

/** @param others files that cannot be merged line by line, or were deleted on one side: they are as they were here */
export function conflictInstruction(base: string, marked: readonly string[], others: readonly string[]): string {
  const parts = [
    `The branch ${base} has moved on and conflicts with this one. It was merged.`,
    ...(marked.length === 0 ? [] : [`These files hold conflict markers (<<<<<<<, =======, >>>>>>>): ${marked.join(', ')}.`]),
    ...(others.length === 0
      ? []
      : [`These were changed on both sides, or deleted on one, and are as they were here: ${others.join(', ')}. Say in your answer what became of them.`]),
    'Resolve each so that both intentions are kept, and leave no marker.',
  ]
  return parts.join(' ')
}

/** What is still to be done of an earlier merge. */
export const stillConflicted = (files: readonly string[]): string =>
  files.length === 0 ? '' : `\n\n(${files.join(', ')} still hold conflict markers of a merge. Resolve them too, so that both intentions are kept.)`
