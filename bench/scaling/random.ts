/** Numbers that are the same for the same seed, on every machine. */
export interface Random {
  /** 0 ≤ x < 1 */
  uniform(): number
  exponential(mean: number): number
  lognormal(median: number, sigma: number): number
  /** How many happen, where `mean` do on average. */
  poisson(mean: number): number
  /** 1 or more, with that mean. */
  geometric(mean: number): number
}

/** @param stream tells apart what must not depend on one another, such as the users */
export function randomOf(seed: number, stream: number): Random {
  let state = mixed(mixed(seed) ^ Math.imul(stream + 1, 0x9e3779b1))
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0
    return mixed(state) / 2 ** 32
  }
  const exponential = (mean: number): number => -mean * Math.log(1 - uniform())
  return {
    uniform,
    exponential,
    lognormal: (median, sigma) => median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())),
    poisson: (mean) => {
      let [count, left] = [0, mean - exponential(1)]
      for (; left > 0; left -= exponential(1)) count += 1
      return count
    },
    geometric: (mean) => (mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - uniform()) / Math.log(1 - 1 / mean))),
  }
}

/** The finishing steps of MurmurHash3: every bit of the answer depends on every bit of the number. */
function mixed(number: number): number {
  let hash = number >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
