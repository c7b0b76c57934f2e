import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Failpoint } from '../../src/observe/failpoint.ts'

const CONTROL = fileURLToPath(new URL('../faults/failpoint-control.ts', import.meta.url))
const STAND_IN = fileURLToPath(new URL('stand-in-agent.ts', import.meta.url))
const DEADLINE_MS = 60_000

/** What makes a service use the stand-in for Claude Code. */
export const standIn = { CLAUDE_CODE_PATH: STAND_IN }

export interface Failpoints {
  /** What the service is started with, so that it looks into this folder. */
  readonly env: Readonly<Record<string, string>>
  /** SIGKILL when the point is passed for the `times`th time. */
  kill(name: Failpoint, times?: number): void
  /** The next to pass waits there until `release`. */
  hold(name: Failpoint): { readonly reached: () => Promise<void>; release(): void }
  /** An error with this code is thrown at the next passing. */
  fail(name: Failpoint, code: string): void
  /** Kills that have not happened yet. */
  armed(name: Failpoint): boolean
  /** Everything that was passed, in order. */
  readonly passed: () => readonly string[]
}

export async function makeFailpoints(folder: string): Promise<Failpoints> {
  await mkdir(folder, { recursive: true })
  const file = (name: string, what: string): string => join(folder, `${name}.${what}`)
  return {
    env: { FAILPOINTS: folder, NODE_OPTIONS: `--import=${CONTROL}` },
    kill: (name, times = 1) => writeFileSync(file(name, 'kill'), String(times)),
    armed: (name) => existsSync(file(name, 'kill')),
    hold(name) {
      rmSync(file(name, 'reached'), { force: true })
      writeFileSync(file(name, 'hold'), '')
      return {
        reached: async () => {
          for (const end = Date.now() + DEADLINE_MS; !existsSync(file(name, 'reached'));) {
            if (Date.now() > end) throw new Error(`${name} was not reached`)
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
        },
        release: () => rmSync(file(name, 'hold'), { force: true }),
      }
    },
    fail: (name, code) => writeFileSync(file(name, 'throw'), code),
    passed: () => (existsSync(join(folder, 'passed')) ? readFileSync(join(folder, 'passed'), 'utf8').trim().split('\n') : []),
  }
}
