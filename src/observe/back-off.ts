/**
 * How long to wait before the next try, in ms: twice as long with each, `longestMs` at most, and shorter by up to a half at random, so that
 * those who failed together do not come back together.
 */
export const backOff = (tries: number, firstMs: number, longestMs: number): number =>
  Math.round(Math.min(longestMs, firstMs * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2))
