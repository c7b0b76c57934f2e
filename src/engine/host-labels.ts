import { createHash } from 'node:crypto'
import { threadKey, type ThreadKey, type ThreadRef } from '../command/ids.ts'
import type { Journal } from '../journal/journal.ts'
import { LABEL } from '../preview/refusals.ts'

const SLUG_LENGTH = 40
const AGAIN_MS = 1000

/**
 * The labels by which host names stand for threads: `thread-{id}`, where that is a label and no older thread of this service has it,
 * else a readable part of it with a hash. A thread keeps its label for ever, since threads are never forgotten and are named in the
 * order in which they began.
 */
export class HostLabels {
  readonly #journal: Pick<Journal, 'everyThread'>
  readonly #labels = new Map<ThreadKey, string>()
  readonly #threads = new Map<string, ThreadRef>()
  #reading: Promise<void> | undefined
  #readAt = Number.NEGATIVE_INFINITY

  constructor(journal: Pick<Journal, 'everyThread'>) {
    this.#journal = journal
  }

  /** `undefined` where there is no such thread. */
  async labelOf(ref: ThreadRef): Promise<string | undefined> {
    // A read that has begun already may have begun before the thread.
    for (let read = 0; read < 2 && !this.#labels.has(threadKey(ref)); read += 1) await this.#read()
    return this.#labels.get(threadKey(ref))
  }

  async threadOf(label: string): Promise<ThreadRef | undefined> {
    // Anybody may ask for names that there are not.
    if (!this.#threads.has(label) && performance.now() - this.#readAt > AGAIN_MS) await this.#read()
    return this.#threads.get(label)
  }

  async #read(): Promise<void> {
    this.#reading ??= this.#readNow().finally(() => (this.#reading = undefined))
    await this.#reading
  }

  async #readNow(): Promise<void> {
    this.#readAt = performance.now()
    const threads = (await this.#journal.everyThread()).toSorted((a, b) => a.createdAt - b.createdAt || a.slotNumber - b.slotNumber)
    for (const { ref } of threads) {
      const key = threadKey(ref)
      if (this.#labels.has(key)) continue
      const label = labelsFor(ref).find((each) => !this.#threads.has(each))
      if (label === undefined) continue
      this.#labels.set(key, label)
      this.#threads.set(label, ref)
    }
  }
}

/** In the order in which they are tried. */
export function labelsFor(ref: ThreadRef): readonly string[] {
  const plain = `thread-${ref.threadId}`
  const slug = plain
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH)
    .replace(/-$/, '')
  const hash = createHash('sha256').update(threadKey(ref)).digest('hex')
  return [...(LABEL.test(plain) ? [plain] : []), `${slug}-${hash.slice(0, 8)}`, `${slug}-${hash.slice(0, 20)}`]
}
