import { readConfig } from '../config.ts'
import { isAlive } from '../observe/alive.ts'
import { readHealthFile, STALE_MS } from '../observe/health-file.ts'
import { servicePaths } from '../workspace/paths.ts'

/** How long queues may be silent beyond one poll: the service waits up to 20 s between polls that fail. */
const SILENCE_SECONDS = 60

/** Whether the service of this WORKSPACE_PATH does its work, by what it writes of itself. Answers 1 where it does not. */
export async function health(json: boolean): Promise<number> {
  const { workspacePath, QUEUE_WAIT_SECONDS } = readConfig()
  const found = await readHealthFile(servicePaths(workspacePath).health)
  const problem = problemOf(found, QUEUE_WAIT_SECONDS)
  if (json) process.stdout.write(`${JSON.stringify({ healthy: problem === undefined, ...(problem === undefined ? {} : { problem }), ...found })}\n`)
  else process.stdout.write(problem === undefined ? `healthy${queuesOf(found?.queues)}\n` : `not healthy: ${problem}\n`)
  return problem === undefined ? 0 : 1
}

type Found = Awaited<ReturnType<typeof readHealthFile>>

const queuesOf = (queues: NonNullable<Found>['queues']): string =>
  queues === undefined
    ? ''
    : `; ${queues.queues} ${queues.queues === 1 ? 'queue' : 'queues'}, ${queues.polled} polled, last answer ${queues.silentSeconds ?? '?'} s ago`

function problemOf(found: Found, waitSeconds: number): string | undefined {
  if (found === undefined) return 'no service has run on this WORKSPACE_PATH'
  if (!isAlive(found.pid)) return `the service (process ${found.pid}) does not run`
  if (Date.now() - found.at > STALE_MS) return `the service has not been heard of for ${Math.round((Date.now() - found.at) / 1000)} s`
  if (found.status !== 'healthy') return `the service is ${found.status}`
  const { silentSeconds } = found.queues === undefined || found.queues.queues === 0 ? { silentSeconds: 0 } : found.queues
  if (silentSeconds === null) return 'no queue has answered yet'
  return silentSeconds > waitSeconds + SILENCE_SECONDS ? `no queue has answered for ${Math.round(silentSeconds)} s` : undefined
}
