import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Result } from '../../src/command/result.ts'
import type { RunEvent } from '../../src/command/event.ts'
import type { Service } from './service.ts'

const exec = promisify(execFile)
const DEADLINE_MS = 60_000

export interface Answer {
  readonly status: number
  /** What the service answered; a test says what it expects of it. */
  readonly body: any
  readonly headers: Headers
}

/** Talks to a service as somebody's program would. */
export const clientOf = (service: Pick<Service, 'url' | 'workspace' | 'output'>, user = 'me', token?: string) => {
  const shown: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const ids = { clientId: 'acme', userId: user }
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const answer = await fetch(`${service.url}${path}`, {
      method,
      headers: { ...shown, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text), headers: answer.headers }
  }
  const send = (threadId: string, instruction: string, more: object = {}): Promise<Answer> =>
    call('POST', '/api/execute', { ...ids, threadId, instruction, ...more })
  const thread = (threadId: string, rest: string): string => `/api/threads/acme/${user}/${threadId}/${rest}`
  return {
    call,
    send,
    thread,
    /** Sends and waits; the result. */
    run: async (threadId: string, instruction: string, more: object = {}): Promise<Result> => (await send(threadId, instruction, more)).body.result,
    /** Sends and does not wait; the id of the command. */
    post: async (threadId: string, instruction: string, more: object = {}): Promise<string> => {
      const { status, body } = await send(threadId, instruction, { wait: false, ...more })
      if (status !== 202 && status !== 200) throw new Error(`not accepted: ${JSON.stringify(body)}`)
      return body.commandId ?? body.result.commandId
    },
    /** The result of a command, when it has one. */
    result: async (commandId: string): Promise<Result> => {
      for (const deadline = Date.now() + DEADLINE_MS; Date.now() < deadline;) {
        const { body } = await call('GET', `/api/commands/${encodeURIComponent(commandId)}?clientId=acme&userId=${user}`)
        if (body.result !== undefined) return body.result
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error(`no result of ${commandId} in time\n${service.output()}`)
    },
    /** Resolves with the first event that fits. */
    event: async (threadId: string, fits: (event: RunEvent) => boolean, lastId?: string): Promise<RunEvent> => {
      for await (const event of watch(`${service.url}${thread(threadId, 'events')}`, lastId)) if (fits(event)) return event
      throw new Error(`the stream ended without the event\n${service.output()}`)
    },
    events: (threadId: string, lastId?: string) => watch(`${service.url}${thread(threadId, 'events')}`, lastId),
    repository: join(service.workspace, 'acme', user, 'project'),
    git: async (...args: string[]): Promise<string> =>
      (await exec('git', ['-C', join(service.workspace, 'acme', user, 'project'), ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout.trim(),
  }
}

export type Client = ReturnType<typeof clientOf>

async function* watch(url: string, lastId?: string): AsyncGenerator<RunEvent, void> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(new Error('no such event in time')), DEADLINE_MS)
  try {
    const answer = await fetch(url, { signal: stop.signal, headers: lastId === undefined ? {} : { 'last-event-id': lastId } })
    if (!answer.ok || answer.body === null) throw new Error(`the stream answered ${answer.status}: ${await answer.text()}`)
    let rest = ''
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      const messages = (rest + chunk).split('\n\n')
      rest = messages.pop() ?? ''
      for (const message of messages) {
        const data = /^data: (.*)$/m.exec(message)?.[1]
        if (data !== undefined) yield JSON.parse(data)
      }
    }
  } finally {
    clearTimeout(timer)
    stop.abort()
  }
}
