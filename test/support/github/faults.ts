import { ServerResponse, type IncomingMessage } from 'node:http'

/** Which requests are meant; the path has no query. */
export type Match = (method: string, path: string, query: URLSearchParams) => boolean

export interface Fault {
  readonly match: Match
  /** How often; once, if nothing is said. */
  readonly times?: number
  /** Without it the connection is cut. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** `before` any work is done, or `after` it: then the work is done and the reply is lost. */
  readonly when?: 'before' | 'after'
}

export interface PlantedFault {
  /** How often it has struck. */
  readonly hits: () => number
  remove(): void
}

export interface Hold {
  /** The first such request is there. */
  readonly reached: Promise<void>
  /** Lets go all that it holds, and holds no more. */
  release(): void
}

export interface Faults {
  plant(fault: Fault): PlantedFault
  hold(match: Match): Hold
  /** Does the work of a request, unless a fault is meant for it. */
  pass(request: IncomingMessage, response: ServerResponse, work: (response: ServerResponse) => void): Promise<void>
}

/** Faults and holds that tests plant before the whole server, git's part as well. */
export function makeFaults(): Faults {
  const planted: { fault: Fault; left: number; hits: number }[] = []
  const holds: { match: Match; reached: PromiseWithResolvers<void>; released: PromiseWithResolvers<void> }[] = []
  return {
    plant: (fault) => {
      const entry = { fault, left: fault.times ?? 1, hits: 0 }
      planted.push(entry)
      return { hits: () => entry.hits, remove: () => void (entry.left = 0) }
    },
    hold: (match) => {
      const entry = { match, reached: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() }
      holds.push(entry)
      const release = (): void => {
        holds.splice(holds.indexOf(entry), holds.includes(entry) ? 1 : 0)
        entry.released.resolve()
      }
      return { reached: entry.reached.promise, release }
    },
    pass: async (request, response, work) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://github')
      const fits = (match: Match): boolean => !isProbe(request) && match(request.method ?? 'GET', pathname, searchParams)
      for (const { reached, released } of holds.filter(({ match }) => fits(match))) {
        reached.resolve()
        await released.promise
      }
      const entry = planted.find(({ fault, left }) => left > 0 && fits(fault.match))
      if (entry === undefined) return work(response)
      entry.left -= 1
      entry.hits += 1
      if (entry.fault.when === 'after') work(unheard(request, () => strike(request, response, entry.fault)))
      else strike(request, response, entry.fault)
    },
  }
}

/** Before it pushes much, git sends four bytes to see whether it may. */
function isProbe(request: IncomingMessage): boolean {
  return request.method === 'POST' && (request.url ?? '').endsWith('/git-receive-pack') && request.headers['content-length'] === '4'
}

function strike(request: IncomingMessage, response: ServerResponse, { status, headers = {}, body = { message: 'planted by a test' } }: Fault): void {
  if (status === undefined) return void request.socket.destroy()
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body))
  request.resume()
}

/** A response that nobody receives, and what to do when it has been given. */
function unheard(request: IncomingMessage, given: () => void): ServerResponse {
  const response = new ServerResponse(request)
  response.end = () => {
    given()
    return response
  }
  return response
}
