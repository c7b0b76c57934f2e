import type { Service } from './service.ts'

const LOOK_MS = 10

/** Starts a service again whenever it is gone, as a supervisor does, until it is disposed of. */
export function keepAlive(service: Service, restarted: () => void = () => {}): AsyncDisposable & { readonly restarts: () => number } {
  let [over, restarts] = [false, 0]
  const keeping = (async () => {
    while (!over) {
      if (!service.alive) {
        restarts += 1
        await service.restart().then(restarted, () => {}) // it was ended before it was ready: the next look starts it again
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  })()
  return {
    restarts: () => restarts,
    [Symbol.asyncDispose]: async () => {
      over = true
      await keeping
    },
  }
}
