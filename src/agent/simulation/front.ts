import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'

/** How Claude Code tells the model of a message that came while it was working. */
const STEERED = /The user sent a new message while you were working:\n([\s\S]*?)\n\nThis is how Claude Code surfaces/g

type Part = { readonly type?: string; text?: string }
interface Message {
  readonly role: string
  content: string | Part[]
}

const textOf = ({ content }: Message): string => (typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n'))

/** A person's own words, not the answer of a tool. */
const isSaid = ({ role, content }: Message): boolean => role === 'user' && (typeof content === 'string' || content.some((part) => part.type === 'text'))

/** What was said in the middle of a turn becomes a part of the message that the turn is about: the script then goes on to it. */
export function withSteered(messages: readonly Message[]): readonly Message[] {
  const kept: Message[] = []
  for (const message of messages) {
    const steered = message.role === 'system' ? Array.from(textOf(message).matchAll(STEERED), ([, said = '']) => said) : []
    const at = kept.findLastIndex(isSaid)
    const about = kept[at]
    if (steered.length === 0 || about === undefined) kept.push(message)
    else kept[at] = { ...about, content: [textOf(about), ...steered].join('\n\n---\n\n') }
  }
  return kept
}

/** Stands before the scripted model, which hears nothing of messages that come in the middle of a turn. */
export async function startFront(model: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => void pass(request, response, model).catch(() => response.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function pass(request: IncomingMessage, response: ServerResponse, model: string): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = rewritten(Buffer.concat(chunks))
  const { 'content-length': _, ...headers } = request.headers
  const onward = ask(`${model}${request.url ?? ''}`, { method: request.method ?? 'POST', headers: { ...headers, 'content-length': String(body.length) } })
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy())
    answer.on('close', () => void (answer.complete || response.destroy()))
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  onward.end(body)
}

function rewritten(body: Buffer): Buffer {
  try {
    const parsed: { messages?: readonly Message[] } = JSON.parse(body.toString('utf8'))
    return parsed.messages === undefined ? body : Buffer.from(JSON.stringify({ ...parsed, messages: withSteered(parsed.messages) }))
  } catch {
    return body // the model says what is wrong with it
  }
}
