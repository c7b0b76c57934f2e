import type { Message } from './event.ts'
import type { Settings } from './settings.ts'
import { shownText } from '../text.ts'

/** What is known here of where a message was written. */
export interface Known {
  /** Its issue or pull request has a thread. */
  readonly thread: boolean
  /** It is on a pull request of ours. */
  readonly ownPull: boolean
  /** The name of the app, as GitHub writes it into `@name`. */
  readonly slug: string
}

/** Whether a message is meant for us, by the repository's settings. */
export function isWanted(message: Message, { triggers }: Settings, { thread, ownPull, slug }: Known): boolean {
  const mentioned = mentions(shownText(message.text), triggers.mention ?? `@${slug}`)
  const among = (list: readonly string[]): boolean => list.some((each) => each.toLowerCase() === message.name?.toLowerCase())
  switch (message.by) {
    case 'opened':
      return triggers.opened || mentioned
    case 'labeled':
      return among(triggers.labels)
    case 'assigned':
      return among(triggers.assignees)
    case 'comment':
      return triggers.comments !== 'none' && (mentioned || (triggers.comments === 'all' && thread))
    case 'review':
    case 'review comment':
      return triggers.reviews !== 'none' && (mentioned || (triggers.reviews === 'all' && ownPull))
  }
}

/** The name as a word of its own, in any case, and not in what is quoted of somebody else. */
function mentions(text: string, name: string): boolean {
  const lower = name.toLowerCase()
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('>'))
    .some((line) => line.split(/[\s.,!?;:()"']+/).some((word) => word.toLowerCase() === lower))
}
