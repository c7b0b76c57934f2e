// Speaks the protocol of Claude Code as the SDK hears it, without a model, in a tenth of the time: for thousands of runs, and for
// what the real one cannot be made to do. It follows the plain instructions of the simulation, and `misbehave HOW`.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { next, type Call } from '../../src/agent/simulation/script.ts'

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? process.argv.find((each) => each.startsWith(`--${name}=`))?.slice(name.length + 3) : process.argv[at + 1]
}
const session = option('resume') ?? option('session-id') ?? randomUUID()
const talk = join(process.env['CLAUDE_CONFIG_DIR'] ?? '.', 'projects', 'resumed', `${session}.jsonl`)
mkdirSync(dirname(talk), { recursive: true })

const say = (line: object): void =>
  void process.stdout.write(`${JSON.stringify({ session_id: session, uuid: randomUUID(), parent_tool_use_id: null, ...line })}\n`)

type Callbacks = Readonly<Record<string, readonly { readonly matcher?: string; readonly hookCallbackIds: readonly string[] }[]>>
let hooks: Callbacks = {}
let interrupted = new AbortController()
let deaf = false
let [turns, pending] = [Promise.resolve(), 0]
const asked = new Map<string, () => void>()

process.on('SIGINT', () => {
  if (!deaf) process.exit(0)
})

function control(id: string, request: { subtype: string; hooks?: Callbacks; cancel_queued?: boolean }): void {
  if (request.subtype === 'initialize') hooks = request.hooks ?? {}
  if (request.subtype === 'interrupt') {
    if (deaf) return
    if (request.cancel_queued === true)
      for (const uuid of waiting) {
        lifecycle(uuid, 'cancelled')
        waiting.delete(uuid)
        pending -= 1
      }
    if (pending > 0) interrupted.abort()
  }
  const response = request.subtype === 'initialize' ? { commands: [], models: [], account: {}, agents: [] } : {}
  say({ type: 'control_response', response: { subtype: 'success', request_id: id, response } })
}

const textOf = (content: string | readonly { text?: string }[]): string => {
  const text = typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n')
  return text
    .replace(/^[\s\S]*<\/branchline-note>\s*/, '')
    .replaceAll(/<attachment [^>\n]*\/>|<attachment [\s\S]*?<\/attachment>/g, '')
    .trim()
}

const lifecycle = (uuid: string | undefined, state: string): void => {
  if (uuid !== undefined) say({ type: 'command_lifecycle', command_uuid: uuid, state })
}

const waiting = new Set<string>()

async function turn(instruction: string, uuid: string | undefined): Promise<void> {
  if (uuid !== undefined && !waiting.delete(uuid)) return
  lifecycle(uuid, 'started')
  appendFileSync(talk, `${JSON.stringify({ said: instruction })}\n`)
  misbehave(/misbehave (\w+)/.exec(instruction)?.[1])
  const answers: string[] = []
  let step = next(instruction, answers)
  while (step.kind === 'call' && !interrupted.signal.aborted) {
    answers.push(await use(step.call))
    step = next(instruction, answers)
  }
  pending -= 1
  const stopped = interrupted.signal.aborted
  interrupted = new AbortController()
  const text = step.kind === 'say' ? step.text : ''
  if (!stopped) say({ type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text }] } })
  say({
    type: 'result',
    ...(stopped
      ? { subtype: 'error_during_execution', is_error: true, terminal_reason: 'aborted_tools', errors: [] }
      : { subtype: 'success', is_error: false, terminal_reason: 'completed', result: text }),
    num_turns: 1,
    duration_ms: 1,
    total_cost_usd: 0,
    permission_denials: [],
    usage: { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
  })
}

function misbehave(how: string | undefined): void {
  if (how === 'deaf') deaf = true
  if (how === 'die') process.exit(1)
  if (how === 'mumble') {
    process.stdout.write('{"type":"assistant","message":{"role":"assis')
    process.exit(0)
  }
  if (how === 'babble')
    for (let n = 0; n < 300; n += 1) {
      say({ type: 'stream_event', event: { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `${n} `.padEnd(90_000, 'x') } } })
      say({ type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text: '' }] } })
    }
  if (how === 'flood')
    for (let n = 0; n < 50; n += 1) say({ type: 'assistant', message: { role: 'assistant', content: [{ type: 'text', text: `${n} `.repeat(500_000) }] } })
}

/** One tool use, with the hooks around it that the service asked for. */
async function use({ tool, input }: Call): Promise<string> {
  const id = `toolu_${randomUUID()}`
  say({ type: 'assistant', message: { role: 'assistant', content: [{ type: 'tool_use', id, name: tool, input }] } })
  await hook('PreToolUse', tool, input, id)
  const answer = await work(tool, input)
  await hook('PostToolUse', tool, input, id)
  say({ type: 'user', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: answer, is_error: false }] } })
  return answer
}

async function hook(event: string, tool: string, input: Call['input'], id: string): Promise<void> {
  for (const { matcher, hookCallbackIds } of hooks[event] ?? []) {
    if (matcher !== undefined && matcher !== null && !new RegExp(`^(?:${matcher})$`).test(tool)) continue
    for (const callback of hookCallbackIds) {
      const request = randomUUID()
      const answered = new Promise<void>((done) => asked.set(request, done))
      const about = { session_id: session, transcript_path: talk, cwd: process.cwd(), hook_event_name: event, tool_name: tool, tool_input: input }
      say({ type: 'control_request', request_id: request, request: { subtype: 'hook_callback', callback_id: callback, input: about, tool_use_id: id } })
      await answered
    }
  }
}

async function work(tool: Call['tool'], input: Call['input']): Promise<string> {
  const { file_path: path = '.', content, command, old_string: before, new_string: after } = input as Readonly<Record<string, string>>
  const file = resolve(path)
  try {
    switch (tool) {
      case 'Write':
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, content ?? '')
        return 'written'
      case 'Read':
        return readFileSync(file, 'utf8')
      case 'Edit':
        writeFileSync(file, readFileSync(file, 'utf8').replace(before ?? '', after ?? ''))
        return 'edited'
      case 'Bash':
        return await shell(command ?? 'true')
      case 'AskUserQuestion':
        return 'nobody answers here'
      case 'TaskCreate':
      case 'TaskUpdate':
        return 'noted'
    }
  } catch (error) {
    return `<tool_use_error>${String(error)}</tool_use_error>`
  }
}

/** Every command is a session of its own, as with the real one. */
async function shell(command: string): Promise<string> {
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
  const over = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    } catch {
      // it has ended already
    }
  }
  interrupted.signal.addEventListener('abort', over, { once: true })
  await new Promise((done) => child.once('exit', done))
  return said
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (message.type === 'user') {
    if (message.shouldQuery === false) {
      say({ type: 'result', subtype: 'success', is_error: false, result: '', num_turns: 0, usage: {} })
      continue
    }
    pending += 1
    if (message.uuid !== undefined) waiting.add(message.uuid)
    lifecycle(message.uuid, 'queued')
    turns = turns.then(() => turn(textOf(message.message.content), message.uuid))
  }
  if (message.type === 'control_response') asked.get(message.response.request_id)?.()
  if (message.type === 'control_request') control(message.request_id, message.request)
}
await turns
