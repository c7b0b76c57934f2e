import type { Runtime } from './runtime.ts'

/**
 * A container that is a process on this machine, for development and tests.
 *
 * @param host who starts and stops such processes (`local-containers.ts`)
 */
export function localRuntime(host: string, name: string): Runtime {
  const url = `${host}/${encodeURIComponent(name)}`
  return {
    takesPasses: false,
    running: async () => (await fetch(url)).status !== 404,
    start: async (env) => {
      const answer = await fetch(url, { method: 'PUT', body: JSON.stringify(env), headers: { 'content-type': 'application/json' } })
      if (!answer.ok) throw new Error(await answer.text())
    },
    fetch: async (request) => {
      const where = await fetch(url)
      if (!where.ok) throw new Error('the container does not run yet')
      const { pathname, search } = new URL(request.url)
      return fetch(new Request(`${await where.text()}${pathname}${search}`, request))
    },
    stop: async () => {
      await (await fetch(url, { method: 'DELETE' })).body?.cancel()
    },
  }
}
