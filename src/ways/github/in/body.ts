/** Memory that bodies may take together which nobody has vouched for yet, in bytes. */
export class Room {
  #left: number
  constructor(bytes: number) {
    this.#left = bytes
  }
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }
  give(bytes: number): void {
    this.#left += bytes
  }
}

/** Memory that webhooks may take together before their signature is checked, in bytes: ordinary ones, and those that are larger. A Worker has 128 MB. */
const ORDINARY_BYTES = 16 * 1024 * 1024
const LARGE_BYTES = 32 * 1024 * 1024

/** Forged bodies that are large keep out no ordinary one. */
export interface Rooms {
  readonly ordinary: Room
  readonly large: Room
}
export const openRooms = (): Rooms => ({ ordinary: new Room(ORDINARY_BYTES), large: new Room(LARGE_BYTES) })

export type Body =
  | ({ readonly kind: 'whole'; readonly bytes: Uint8Array<ArrayBuffer> } & Disposable)
  | { readonly kind: 'too large' | 'too slow' | 'no room' | 'cut off' }

/** The raw body of a request, of so many bytes at most, if it is there in time and there is room for it; disposing of it gives its room back. */
export async function readBody(request: Request, maxBytes: number, deadlineMs: number, room: Room): Promise<Body> {
  const declared = Number(request.headers.get('content-length') ?? 0)
  if (declared > maxBytes) return { kind: 'too large' }
  const pieces: Uint8Array[] = []
  let [taken, kept] = [0, false]
  const reader = request.body?.getReader()
  const timeout = Promise.withResolvers<'too slow'>()
  const timer = setTimeout(() => timeout.resolve('too slow'), deadlineMs)
  try {
    for (;;) {
      const next = reader === undefined ? { done: true as const } : await Promise.race([reader.read(), timeout.promise])
      if (next === 'too slow') return { kind: 'too slow' }
      if (next.done === true) break
      if (taken + next.value.length > maxBytes) return { kind: 'too large' }
      if (!room.take(next.value.length)) return { kind: 'no room' }
      taken += next.value.length
      pieces.push(next.value)
    }
    if (declared > 0 && taken !== declared) return { kind: 'cut off' }
    kept = true
    return { kind: 'whole', bytes: joined(pieces, taken), [Symbol.dispose]: () => room.give(taken) }
  } catch {
    return { kind: 'cut off' } // whoever sent it has gone
  } finally {
    clearTimeout(timer)
    if (!kept) {
      room.give(taken)
      void reader?.cancel().catch(() => {}) // nothing more of it is wanted
    }
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
