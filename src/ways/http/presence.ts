import { threadKey, type ThreadKey, type ThreadRef } from '../../command/ids.ts'
import type { Caller } from './access.ts'

export interface Present {
  readonly name: string
  readonly role: Caller['role']
}

type Hear = (people: readonly Present[]) => void

/** Who watches which thread just now; each who does hears of the others. Nothing of it is kept. */
export class Presence {
  readonly #threads = new Map<ThreadKey, Map<Hear, Present>>()

  /** Somebody begins to watch, until this is disposed of. */
  enter(ref: ThreadRef, { name, role }: Caller, hear: Hear): Disposable {
    const key = threadKey(ref)
    const here = this.#threads.get(key) ?? new Map<Hear, Present>()
    this.#threads.set(key, here.set(hear, { name, role }))
    const tell = (): void => {
      const people = [...here.values()]
      for (const each of here.keys()) each(people)
    }
    tell()
    return {
      [Symbol.dispose]: () => {
        here.delete(hear)
        if (here.size === 0) this.#threads.delete(key)
        tell()
      },
    }
  }
}
