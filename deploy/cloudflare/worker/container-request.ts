import * as z from 'zod'
import type { ContainerObject } from './container.ts'

const ANSWER_MS = 15_000

/** A request to the service in a container; one that does not answer in time is broken off. */
export const askContainer = async (container: Pick<DurableObjectStub<ContainerObject>, 'fetch'>, path: string, init: RequestInit = {}): Promise<Response> =>
  container.fetch(new Request(`http://container${path}`, { ...init, signal: AbortSignal.timeout(ANSWER_MS) }))

/** What a service says of a request that it does not accept. */
export const detailOf = (text: string): string => {
  try {
    return z.object({ detail: z.string() }).parse(JSON.parse(text)).detail.slice(0, 500)
  } catch {
    return text.slice(0, 200)
  }
}
