/** A rate that AWS grants: so many at once, and then so many a second. Who comes too soon waits, in the order of coming. */
export interface Bucket {
  /** When it is granted to somebody who asks at `now`. */
  take(now: number): number
}

/** The generic cell rate algorithm, which says the same as a bucket of tokens without counting them. */
export function makeBucket(burst: number, perSecond: number): Bucket {
  const each = 1 / perSecond
  let full = -Infinity
  return {
    take(now) {
      const granted = Math.max(now, full - (burst - 1) * each)
      full = Math.max(full, granted) + each
      return granted
    },
  }
}
