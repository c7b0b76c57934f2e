import * as z from 'zod'
import type { ContainerObject } from './container.ts'

const ASK_MS = 15_000

/** A request to the service in a container; one that does not answer in time is broken off. */
export const asked = async (box: DurableObjectStub<ContainerObject>, path: string, init: RequestInit): Promise<Response> =>
  box.fetch(new Request(`http://container${path}`, { ...init, signal: AbortSignal.timeout(ASK_MS) }))

/** What a service says of a request that it does not accept. */
export const detailOf = (text: string): string => {
  try {
    return z.object({ detail: z.string() }).parse(JSON.parse(text)).detail.slice(0, 500)
  } catch {
    return text.slice(0, 200)
  }
}
