/** The service did not accept a request; the message is for a person. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** What a person is told of a request that did not go well. */
export const told = (error: unknown): string => (error instanceof Refused ? error.message : 'The service cannot be reached. Try again in a moment.')

/** Asks the service. @throws Refused */
export async function request(path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  if (token !== '') headers.set('authorization', `Bearer ${token}`)
  const answer = await fetch(path, { ...init, headers })
  if (answer.ok) return answer
  const { detail = `The service answered ${answer.status}.` } = await answer.json().catch(() => ({}))
  throw new Refused(answer.status, inWords(String(detail)))
}

export const blobOf = (answer: Response): string | undefined => /^"([0-9a-f]+)"$/.exec(answer.headers.get('etag') ?? '')?.[1]

export const json = async <Answer>(answer: Response): Promise<Answer> => answer.json()

/** What the API says, for a person: without the name of its field before it. */
export function inWords(detail: string): string {
  const plain = detail.replace(/^#?\/?[A-Za-z-]+: /, '')
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}

/** An id that nobody has. */
export const freshId = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
