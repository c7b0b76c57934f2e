import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { progressOf } from '../../../test/support/issues.ts'
import type { WithWorker } from './with-worker.ts'

export { withWorker, type WithWorker } from './with-worker.ts'

const exec = promisify(execFile)

/** What git says of acme/site on GitHub. */
export const inOrigin = async ({ github }: WithWorker, ...args: string[]): Promise<string> =>
  (await exec('git', ['-C', github.repository('acme', 'site'), ...args])).stdout.trim()

/** Waits until the comment that says how an issue stands holds a text; where it does not, what was written by then is shown. */
export async function shows(on: WithWorker, number: number, text: string): Promise<void> {
  await expect
    .poll(() => progressOf(on.github, number), { timeout: 80_000 })
    .toContain(text)
    .catch((error: unknown) => {
      process.stdout.write(on.output().slice(-20_000))
      throw error
    })
}

export async function pullOf({ github }: WithWorker, number: number, round = '') {
  const pull = (await github.pulls()).find(({ pull: { head } }) => head === `thread-issue-${number}${round}`)
  if (pull === undefined) throw new Error(`no pull request of issue ${number}`)
  return pull
}
