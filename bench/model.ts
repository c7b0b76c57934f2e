import type { ChatCompletionRequest } from '@copilotkit/aimock'
import { answer, lastInstruction, startScriptedModel } from '../src/agent/simulation/model.ts'

/** The scripted model, in this process, with a clock at its door. */
export interface TimedModel extends AsyncDisposable {
  readonly url: string
  /** When the first request with this instruction arrives, as `performance.now()` has it. */
  arrival(instruction: string): Promise<number>
  /** Resolves when the answer to this instruction is being streamed, slowly. */
  streaming(instruction: string): Promise<number>
}

/** An instruction that holds this word is carried out and then answered with text that takes ten seconds to stream. */
export const SLOWLY = 'slowly'

const DEADLINE_MS = 60_000

export async function startTimedModel(): Promise<TimedModel> {
  const waiting = new Set<{ instruction: string; streaming: boolean; resolve: (at: number) => void }>()
  const hear = (request: ChatCompletionRequest): boolean => {
    const [at, said] = [performance.now(), lastInstruction(request)]
    const streams = said.includes(SLOWLY) && !('toolCalls' in answer(request))
    for (const each of waiting) {
      if (!said.includes(each.instruction) || (each.streaming && !streams)) continue
      waiting.delete(each)
      each.resolve(at)
    }
    return streams
  }
  const wait = (instruction: string, streaming: boolean): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    waiting.add({ instruction, streaming, resolve })
    const timer = setTimeout(() => reject(new Error(`no request with ${JSON.stringify(instruction)} in time`)), DEADLINE_MS)
    const settled = promise.finally(() => clearTimeout(timer))
    settled.catch(() => {}) // whoever waits may have failed already
    return settled
  }
  const model = await startScriptedModel({
    fixtures: [{ match: { predicate: hear }, response: { content: 'word '.repeat(200) }, chunkSize: 5, latency: 50 }],
  })
  return {
    url: model.url,
    arrival: (instruction) => wait(instruction, false),
    streaming: (instruction) => wait(instruction, true),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  }
}

/** From just before a message is sent to the arrival of its first request, in ms. Returns when the message has been carried out. */
export async function timeToRequest(model: TimedModel, instruction: string, send: (instruction: string) => Promise<unknown>): Promise<number> {
  const arrived = model.arrival(instruction)
  const began = performance.now()
  const sent = send(instruction)
  const at = await Promise.race([arrived, sent.then(() => arrived)])
  await sent
  return at - began
}
