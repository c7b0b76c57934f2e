import { firstLine, printable } from '../observe/text.ts'
import type { Sha } from './branch.ts'
import { git } from './git.ts'

export interface Author {
  readonly name: string
  readonly email: string
}

export interface Message {
  /** One line; cut at 72 characters. */
  readonly subject: string
  readonly body: string
  /** In this order; those without a value are left out. */
  readonly trailers: Readonly<Record<string, string | undefined>>
}

const SUBJECT_LENGTH = 72

/** Subject, body, trailers, each behind an empty line. */
export function formatMessage({ subject, body, trailers }: Message): string {
  const lines = Object.entries(trailers).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}: ${firstLine(value, 500)}`]))
  return [firstLine(subject, SUBJECT_LENGTH), printable(body, 100_000).trim(), lines.join('\n')].filter((part) => part !== '').join('\n\n') + '\n'
}

/** Makes a commit object; no ref moves, no hook, filter, editor or signing program runs. */
export async function commitTree(gitDir: string, tree: Sha, parents: readonly Sha[], message: Message, author: Author): Promise<Sha> {
  const { text } = await git(['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-F', '-'], {
    gitDir,
    input: formatMessage(message),
    env: {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
    },
  })
  return text
}
