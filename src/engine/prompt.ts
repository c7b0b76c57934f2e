import type { Content } from '../agent/claude-code.ts'
import { BETWEEN } from '../command/command.ts'
import type { CommandRecord, Note } from '../journal/journal.ts'
import type { Given } from './attachments.ts'

interface Circumstances {
  /** What was steered into an earlier attempt of the run. */
  readonly together: readonly CommandRecord[]
  readonly given: readonly Given[]
  readonly forgot: boolean
}

/** What the agent is told: its notes, the attachments, then the messages in the order in which they came. */
export function promptOf(run: CommandRecord, { together, given, forgot }: Circumstances): Content {
  const { command, carried, note } = run
  const messages = [...carried, command, ...together.map((each) => each.command)]
  const notes = [
    note === undefined ? undefined : noteText(note),
    forgot ? 'The conversation before this message is lost; the files and the git log of this branch show what was done.' : undefined,
  ]
  const known = notes.filter((each) => each !== undefined)
  const text = messages.map((message) => message.instruction).join(BETWEEN)
  const intro = known.length === 0 ? '' : `<branchline-note>${known.join('\n')}</branchline-note>\n\n`
  return [...given.flatMap(blocksOf), { type: 'text', text: plain(intro + text) }]
}

/** What is added to a message that is being worked on. */
export const addition = ({ command }: CommandRecord, given: readonly Given[]): Content => [
  ...given.flatMap(blocksOf),
  { type: 'text', text: plain(command.instruction) },
]

/** What an agent is told of what it broke. What a page says of itself is quoted: it may be anybody's text. */
export const repairOf = (pageErrors: readonly string[]): string =>
  `After your change the preview of the site shows errors:\n<errors>\n${pageErrors.join('\n').replaceAll('<', '‹')}\n</errors>\nFind what is wrong in the files and mend it; change nothing else.`

/** A message is no command to Claude Code itself, which takes what begins with a slash for one. */
const plain = (text: string): string => (text.trimStart().startsWith('/') ? `Message:\n${text}` : text)

function noteText({ reason, commit }: Note): string {
  const why = {
    crash: 'The service was stopped hard',
    shutdown: 'The service was restarted',
    failure: 'The model failed',
    limit: 'The model took no more requests',
  }[reason]
  const where = commit === undefined ? 'nothing had been changed by then' : `what you had done by then is commit ${commit}`
  return `${why} while you worked on this message; ${where}. Look at what is there and go on from it.`
}

/** What the model can read of an attachment, and where it lies as a file. */
function blocksOf({ name, mediaType, data, path }: Given): Content {
  const where = ` path=${JSON.stringify(path)}`
  const tag = `<attachment name=${JSON.stringify(name)} type=${JSON.stringify(mediaType)}${where}`
  switch (mediaType) {
    case 'image/png':
    case 'image/jpeg':
    case 'image/gif':
    case 'image/webp':
      return [
        { type: 'text', text: `${tag} />` },
        { type: 'image', source: { type: 'base64', media_type: mediaType, data } },
      ]
    case 'application/pdf':
      return [
        { type: 'text', text: `${tag} />` },
        { type: 'document', source: { type: 'base64', media_type: mediaType, data } },
      ]
    case 'application/octet-stream':
      return [{ type: 'text', text: `${tag} />` }]
    case 'text/plain':
    case 'text/markdown':
    case 'text/csv':
    case 'text/html':
    case 'text/css':
    case 'image/svg+xml':
    case 'application/json':
      return [{ type: 'text', text: `${tag}>\n${Buffer.from(data, 'base64').toString('utf8')}\n</attachment>` }]
  }
}
