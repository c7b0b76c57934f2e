/** What is going to happen, earliest first; what is due at the same time happens in the order in which it was planned. */
export interface Agenda {
  /** Seconds since the beginning. */
  readonly now: () => number
  plan(at: number, act: () => void): void
  /** Until nothing is left, or no act is due before `end`. */
  run(end?: number): void
}

interface Entry {
  readonly at: number
  readonly order: number
  readonly act: () => void
}

export function makeAgenda(): Agenda {
  const heap: Entry[] = []
  let [now, planned] = [0, 0]
  const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
  const entryAt = (index: number): Entry => {
    const entry = heap[index]
    if (entry === undefined) throw new Error(`the agenda has no entry ${index}`)
    return entry
  }
  const swap = (a: number, b: number): void => {
    const entry = entryAt(a)
    heap[a] = entryAt(b)
    heap[b] = entry
  }
  const takeFirst = (): Entry => {
    const first = entryAt(0)
    swap(0, heap.length - 1)
    heap.pop()
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      let least = at
      if (left < heap.length && before(entryAt(left), entryAt(least))) least = left
      if (right < heap.length && before(entryAt(right), entryAt(least))) least = right
      if (least === at) return first
      swap(at, least)
      at = least
    }
  }
  return {
    now: () => now,
    plan: (at, act) => {
      if (at < now) throw new Error(`planned for ${at}, which is before ${now}`)
      heap.push({ at, order: planned++, act })
      for (let child = heap.length - 1; child > 0;) {
        const parent = (child - 1) >> 1
        if (!before(entryAt(child), entryAt(parent))) break
        swap(child, parent)
        child = parent
      }
    },
    run: (end = Infinity) => {
      while (heap.length > 0 && entryAt(0).at < end) {
        const { at, act } = takeFirst()
        now = at
        act()
      }
    },
  }
}
