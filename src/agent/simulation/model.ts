import { LLMock, type ChatCompletionRequest, type ChatMessage, type Fixture } from '@copilotkit/aimock'
import { startFront } from './front.ts'
import { next } from './script.ts'

export interface ScriptedModel extends AsyncDisposable {
  /** Where it speaks the Messages API. */
  readonly url: string
}

export interface ScriptedOptions {
  /** ms before each piece of text, so that a person sees it being written. */
  readonly pieceMs?: number
  /** Fixtures that are looked at first: faults, and answers that wait. */
  readonly fixtures?: readonly Fixture[]
}

/** Text that Claude Code adds around what the user said, and attachments. */
const REMINDER = /<system-reminder>[\s\S]*?<\/system-reminder>|<attachment [^>\n]*\/>|<attachment [\s\S]*?<\/attachment>|\[Image: source: [^\]]*\]/g
/** A message that was not answered stands before the next one in the same turn; what counts begins behind the last of these. */
const BEFORE = /^[\s\S]*(?:\[Request interrupted by user[^\]]*\]|<\/branchline-note>)/

const textOf = ({ content }: ChatMessage): string => (typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n'))

const saidIn = (message: ChatMessage): string => textOf(message).replaceAll(REMINDER, '').replace(BEFORE, '').trim()

const lastUserMessage = (messages: readonly ChatMessage[]): number => messages.findLastIndex((message) => message.role === 'user' && saidIn(message) !== '')

/** The last instruction of the user in a request, without what was added to it. */
export function lastInstruction({ messages }: ChatCompletionRequest): string {
  const message = messages[lastUserMessage(messages)]
  return message === undefined ? '' : saidIn(message)
}

/** Asks for what the message before it has planned. */
const PLANNED = /^do what you have just planned\.?$/i

/** What the user said before the last message. */
const before = (messages: readonly ChatMessage[]): string | undefined =>
  messages
    .slice(0, lastUserMessage(messages))
    .filter(({ role }) => role === 'user')
    .map(saidIn)
    .findLast((said) => said !== '' && !PLANNED.test(said))

/** What a scripted model answers; its only state is the conversation, so threads do not mix and a resumed one goes on. */
export function answer(request: ChatCompletionRequest) {
  const { messages } = request
  // An answer to a call that was made before this message may stand behind it.
  const calls = messages.slice(lastUserMessage(messages) + 1).flatMap((message) => message.tool_calls ?? [])
  const answers = calls.flatMap((call) => messages.filter((message) => message.tool_call_id === call.id)).map(textOf)
  const asked = lastInstruction(request)
  const step = next(PLANNED.test(asked) ? (before(messages) ?? asked) : asked, answers)
  return step.kind === 'say'
    ? { content: step.text }
    : { content: 'Working on it.', toolCalls: [{ name: step.call.tool, arguments: JSON.stringify(step.call.input) }] }
}

/** A model that follows plain instructions and streams like the real one; it needs no key and no network. */
export async function startScriptedModel({ pieceMs = 0, fixtures = [] }: ScriptedOptions = {}): Promise<ScriptedModel> {
  const mock = new LLMock({ host: '127.0.0.1', port: 0, logLevel: 'silent', journalMaxEntries: 1 })
  for (const fixture of fixtures) mock.addFixture(fixture)
  mock.addFixture({ match: { predicate: () => true }, response: answer, chunkSize: 16, latency: pieceMs })
  await mock.start()
  const front = await startFront(mock.url)
  return {
    url: front.url,
    [Symbol.asyncDispose]: async () => {
      await front[Symbol.asyncDispose]()
      await mock.stop()
    },
  }
}
