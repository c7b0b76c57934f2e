import type { Content } from '../agent/claude-code.ts'
import type { Attachment } from '../command/command.ts'
import type { CommandRecord, Note } from '../journal/journal.ts'

/** Stands between messages that are carried out together. */
const BETWEEN = '\n\n---\n\n'

/** What the agent is told: its notes, the attachments, then the messages in the order in which they came. */
export function promptOf(run: CommandRecord, forgot: boolean): Content {
  const { command, carried, note } = run
  const messages = [...carried, command]
  const notes = [
    note === undefined ? undefined : noteText(note),
    forgot ? 'The conversation before this message is lost; the files and the git log of this branch show what was done.' : undefined,
  ]
  const known = notes.filter((each) => each !== undefined)
  const text = messages.map((message) => message.instruction).join(BETWEEN)
  const intro = known.length === 0 ? '' : `<branchline-note>${known.join('\n')}</branchline-note>\n\n`
  return [...messages.flatMap((message) => message.attachments).map(blockOf), { type: 'text', text: intro + text }]
}

function noteText({ reason, commit }: Note): string {
  const why = { crash: 'The service was stopped hard', shutdown: 'The service was restarted', failure: 'The model failed' }[reason]
  const where = commit === undefined ? 'nothing had been changed by then' : `what you had done by then is commit ${commit}`
  return `${why} while you worked on this message; ${where}. Look at what is there and go on from it.`
}

function blockOf({ name, mediaType, data }: Attachment): Content[number] {
  switch (mediaType) {
    case 'image/png':
    case 'image/jpeg':
    case 'image/gif':
    case 'image/webp':
      return { type: 'image', source: { type: 'base64', media_type: mediaType, data } }
    case 'text/plain':
    case 'text/markdown':
    case 'text/csv':
    case 'application/json':
      return { type: 'text', text: `<attachment name=${JSON.stringify(name)}>\n${Buffer.from(data, 'base64').toString('utf8')}\n</attachment>` }
  }
}
