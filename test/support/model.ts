import type { ChatCompletionRequest } from '@copilotkit/aimock'
import { answer, lastInstruction, startScriptedModel } from '../../src/agent/simulation/model.ts'

/** A scripted model in the test's own process: it sees every request and can be made to wait, to stream slowly and to fail. */
export interface Model extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly ChatCompletionRequest[]
  /** Requests whose instruction holds `text`, and that come after so many answers of tools, wait until `release`. */
  hold(text: string, after?: number): { readonly reached: Promise<void>; release(): void }
  /** The next `times` requests whose instruction holds `text`, and that come after so many answers of tools, are refused with `status`, until `stop`. */
  fail(text: string, status: number, times: number, how?: { readonly after?: number }): { stop(): void }
  /** Instructions that hold `text` are taken for another one. */
  instead(text: string, instruction: string): void
  /** Answers to instructions that hold `text`, but for the first, are said to have used 51,000 tokens. */
  price(text: string): void
}

/** Instructions that hold this word are answered with text that takes about a minute to stream. */
export const SLOWLY = 'slowly'

const TYPES: Readonly<Record<number, string>> = { 401: 'authentication_error', 429: 'rate_limit_error', 529: 'overloaded_error' }

const answers = ({ messages }: ChatCompletionRequest): number => messages.filter((message) => message.role === 'tool').length

export async function startModel(): Promise<Model> {
  const requests: ChatCompletionRequest[] = []
  const holds: { text: string; after: number; reached: () => void; released: Promise<void> }[] = []
  const prices: string[] = []
  const insteads: { text: string; instruction: string }[] = []
  const understood = (request: ChatCompletionRequest): ChatCompletionRequest => {
    const other = insteads.find(({ text }) => lastInstruction(request).includes(text))
    const said = ({ content }: ChatCompletionRequest['messages'][number]): string => JSON.stringify(content)
    return other === undefined
      ? request
      : {
          ...request,
          messages: request.messages.map((message) =>
            message.role === 'user' && said(message).includes(other.text) ? { ...message, content: other.instruction } : message,
          ),
        }
  }
  const failures: { text: string; after: number; status: number; left: number }[] = []
  const meant = (request: ChatCompletionRequest, { text, after }: { text: string; after: number }): boolean =>
    lastInstruction(request).includes(text) && answers(request) >= after
  const failing = (request: ChatCompletionRequest) => failures.find((each) => each.left > 0 && meant(request, each))
  const scripted = await startScriptedModel({
    fixtures: [
      {
        match: { predicate: (request) => failing(request) !== undefined },
        response: (request) => {
          const failure = failing(request)
          if (failure !== undefined) failure.left -= 1
          return {
            error: { message: 'the model fails as it was told', type: TYPES[failure?.status ?? 500] ?? 'permission_error' },
            status: failure?.status ?? 500,
          }
        },
      },
      {
        match: { predicate: (request) => lastInstruction(request).includes(SLOWLY) },
        response: (request) => {
          requests.push(request)
          return { content: 'word '.repeat(1200) }
        },
        chunkSize: 5,
        latency: 50,
      },
      {
        match: { predicate: () => true },
        response: async (request) => {
          requests.push(request)
          const held = holds.find((each) => meant(request, each))
          held?.reached()
          await held?.released
          const dear = request.messages.some((message) => message.role === 'tool') && prices.some((text) => lastInstruction(request).includes(text))
          return { ...answer(understood(request)), ...(dear ? { usage: { input_tokens: 50_000, output_tokens: 1000 } } : {}) }
        },
        chunkSize: 16,
      },
    ],
  })
  return {
    url: scripted.url,
    requests,
    hold(text, after = 0) {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      holds.push({ text, after, reached: reached.resolve, released: released.promise })
      return { reached: reached.promise, release: () => released.resolve() }
    },
    fail: (text, status, times, { after = 0 } = {}) => {
      const failure = { text, after, status, left: times }
      failures.push(failure)
      return { stop: () => void (failure.left = 0) }
    },
    instead: (text, instruction) => void insteads.push({ text, instruction }),
    price: (text) => void prices.push(text),
    [Symbol.asyncDispose]: async () => {
      await scripted[Symbol.asyncDispose]()
    },
  }
}
