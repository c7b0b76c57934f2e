/** A tool that the scripted model asks for. */
export interface Call {
  readonly tool: 'Write' | 'Read' | 'Edit' | 'Bash' | 'AskUserQuestion' | 'TaskCreate' | 'TaskUpdate'
  readonly input: Readonly<Record<string, unknown>>
}

/** Goes from call to call, given the answer to each, and returns what to say in the end. */
type Step = Generator<Call, string, string>

const REFUSED = /<tool_use_error>|has not been read|Error:|Cannot (write|edit)|plan mode|nothing may be changed/i
const INSTRUCTIONS =
  'write FILE: TEXT · replace A with B in FILE · run COMMAND · wait N seconds · ask QUESTION · plan STEP; STEP · tick N; several joined by "then"'

const plain = (answer: string): string => answer.replaceAll(/<\/?tool_use_error>/g, '').trim()

function* write(file: string, content: string): Step {
  const first = yield { tool: 'Write', input: { file_path: file, content } }
  if (!REFUSED.test(first)) return `Wrote ${file}`
  yield { tool: 'Read', input: { file_path: file } } // a file that is there has to be read before it is overwritten
  const second = yield { tool: 'Write', input: { file_path: file, content } }
  return REFUSED.test(second) ? `Could not write ${file}: ${plain(second)}` : `Wrote ${file}`
}

function* replace(before: string, after: string, file: string): Step {
  yield { tool: 'Read', input: { file_path: file } }
  const answer = yield { tool: 'Edit', input: { file_path: file, old_string: before, new_string: after } }
  return REFUSED.test(answer) ? `Could not replace "${before}" in ${file}: ${plain(answer)}` : `Replaced "${before}" with "${after}" in ${file}`
}

function* bash(command: string, said: string, timeout?: number): Step {
  const answer = yield { tool: 'Bash', input: { command, description: said, ...(timeout === undefined ? {} : { timeout }) } }
  return `${said}\n${answer}`.trim()
}

function* plan(items: readonly string[]): Step {
  for (const subject of items) yield { tool: 'TaskCreate', input: { subject, description: subject } }
  return `Planned ${items.join(', ')}`
}

function* tick(taskId: string): Step {
  yield { tool: 'TaskUpdate', input: { taskId, status: 'completed' } }
  return `Ticked ${taskId}`
}

function* ask(question: string): Step {
  const options = ['Yes', 'No'].map((label) => ({ label, description: label }))
  const answer = yield { tool: 'AskUserQuestion', input: { questions: [{ question, header: 'Question', options, multiSelect: false }] } }
  return `Asked: ${question}\n${plain(answer)}`
}

// oxlint-disable-next-line require-yield -- it calls no tool
function* say(text: string): Step {
  return text
}

/** Plain instructions in the order in which they stand, of one message or of several joined into one. */
export function stepsOf(message: string): readonly Step[] {
  return withoutFrame(message)
    .split(/\n\s*---\s*\n|\s+then\s+(?=(?:write|replace|run|wait|ask|plan|tick)\b)/i)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => stepOf(part))
}

/** Who says something on GitHub, where, and in which words. */
const FRAME = /^(?:GitHub (?:issue|pull request) #\d+ by @\S+|Review (?:of the pull request|comment) by @[\w-]+(?: on [^:\n]+)?|@[\w[\]-]+|Comment by @\S+): ?/
/** Who is meant, before what is to be done. */
const MENTION = /^@[\w-]+[,:]?\s+/
const INSTRUCTION = /^(?:write|replace|run|wait|ask|plan|tick) /i

/** A remark on a line or an element: where, what stands there, and what is to become of it. */
const REMARK = /^[^\n]+\n(?:> [^\n]*\n)+/

/** What comes from GitHub has a heading, and a title before its text: its last paragraph that is an instruction counts. */
function withoutFrame(message: string): string {
  const remarks = message.split(/\n\n(?=[^\n]+\n> )/)
  if (remarks.some((each) => REMARK.test(each)))
    return (
      remarks
        .map((each) => each.replace(REMARK, '').trim())
        .filter((each) => INSTRUCTION.test(each))
        .join('\n---\n') || message
    )
  if (!FRAME.test(message)) return message
  const paragraphs = message.split(/\n\n+/).map((each) => each.replace(FRAME, '').replace(MENTION, '').trim())
  return paragraphs.findLast((each) => INSTRUCTION.test(each)) ?? paragraphs.filter((each) => each !== '').join(' ')
}

function stepOf(part: string): Step {
  const [, file, content] = /^write (\S+): ?(.*)$/is.exec(part) ?? []
  if (file !== undefined && content !== undefined) return write(file, content)
  const [, before, after, where] = /^replace (.+?) with (.*?) in (\S+)$/is.exec(part) ?? []
  if (before !== undefined && after !== undefined && where !== undefined) return replace(before, after, where)
  const [, command] = /^run (.+)$/is.exec(part) ?? []
  if (command !== undefined) return bash(command, `Ran ${command}`)
  const [, seconds] = /^wait (\d{1,3}(?:\.\d+)?) seconds?$/i.exec(part) ?? []
  if (seconds !== undefined) return bash(`echo waiting; sleep ${seconds}`, `Waited ${seconds} seconds`, Math.min(600_000, (Number(seconds) + 5) * 1000))
  const [, items] = /^plan (.+)$/is.exec(part) ?? []
  if (items !== undefined) return plan(items.split(';').map((each) => each.trim()))
  const [, task] = /^tick (\d+)$/i.exec(part) ?? []
  if (task !== undefined) return tick(task)
  const [, question] = /^ask (.+)$/is.exec(part) ?? []
  if (question !== undefined) return ask(question)
  return say(`Simulated: ${part}\n\n(No model was asked. This simulation follows plain instructions: ${INSTRUCTIONS}.)`)
}

export type Next = { readonly kind: 'call'; readonly call: Call } | { readonly kind: 'say'; readonly text: string }

/** What comes next, given the answers to the calls made so far. */
export function next(message: string, answers: readonly string[]): Next {
  const said: string[] = []
  let at = 0
  for (const step of stepsOf(message)) {
    let state = step.next()
    while (state.done !== true) {
      const answer = answers[at++]
      if (answer === undefined) return { kind: 'call', call: state.value }
      state = step.next(answer)
    }
    said.push(state.value)
  }
  return {
    kind: 'say',
    text: said.length > 1 ? [said.map((each) => each.split('\n')[0]).join(', '), '', ...said].join('\n') : (said[0] ?? 'Nothing was asked.'),
  }
}
