import { clientFor } from './send.ts'
import type { Given } from './options.ts'

/** Lists the threads of a workspace, newest activity first. */
export async function threads(given: Given): Promise<number> {
  const { threads: found, next } = await clientFor(given).threads(given.client, given.user, given.project)
  if (given.json) process.stdout.write(`${JSON.stringify(found)}\n`)
  else if (found.length === 0)
    process.stdout.write(
      `No threads of ${given.client}/${given.user} yet${given.project === undefined ? ' in its project (--project names another one)' : ` in ${given.project}`}.\n`,
    )
  else {
    const width = Math.max(...found.map((thread) => thread.threadId.length))
    for (const { threadId, state, lastActiveAt, costUsd, branch } of found) {
      process.stdout.write(`${threadId.padEnd(width)}  ${state.padEnd(7)}  ${lastActiveAt.slice(0, 19)}  $${costUsd.toFixed(2)}  ${branch}\n`)
    }
    if (next !== undefined) process.stdout.write('… and more\n')
  }
  return 0
}
