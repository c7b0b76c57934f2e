import { workspaceKey } from '../../command/ids.ts'
import type { Result } from '../../command/result.ts'
import type { CommandRef, Delivery } from '../../journal/journal.ts'

const keyOf = ({ workspace, commandId }: CommandRef): string => `${workspaceKey(workspace)} ${commandId}`

/** Requests that are open until their command has its result. */
export class Waiting {
  readonly #requests = new Map<string, Set<(result: Result) => void>>()

  /** Resolves with the result, or with `undefined` when `stop` aborts first. Begin to wait before the command can end. */
  for(of: CommandRef, stop: AbortSignal): Promise<Result | undefined> {
    const key = keyOf(of)
    return new Promise((resolve) => {
      const requests = this.#requests.get(key) ?? new Set()
      this.#requests.set(key, requests)
      const settle = (result: Result | undefined): void => {
        requests.delete(settle)
        if (requests.size === 0) this.#requests.delete(key)
        stop.removeEventListener('abort', gone)
        resolve(result)
      }
      const gone = (): void => settle(undefined)
      requests.add(settle)
      stop.addEventListener('abort', gone)
      if (stop.aborted) gone()
    })
  }

  /** How results go out by HTTP: to the requests that wait; for everybody else they stay readable at `/api/commands/{commandId}`. */
  deliver({ workspace, result }: Delivery): void {
    for (const settle of this.#requests.get(`${workspaceKey(workspace)} ${result.commandId}`) ?? []) settle(result)
  }
}
