import { readFile } from 'node:fs/promises'
import { run } from './run.ts'

/**
 * What a service needs of the system to give each slot users of its own: to make files theirs, to reach what they keep to themselves, to
 * become them, and to end what they run. Numbers as in Linux's `capability.h`; all of them are among those that containers have.
 */
const POWERS = { chown: 0, dac_override: 1, fowner: 3, fsetid: 4, kill: 5, setgid: 6, setuid: 7 } as const

/** A copy of setpriv(1) that has these capabilities as a file, for the group of the service alone; the image has it. */
const RAISE = '/usr/local/libexec/branchline/raise'
/** Nothing that is started as another user keeps them, or gets others by a program that has some. */
export const WITHOUT_POWERS = ['/usr/bin/setpriv', '--ambient-caps=-all', '--inh-caps=-all', '--no-new-privs', '--'] as const

/** Whether this process may do what root may do with the users of slots. */
export async function hasPowers(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '') // no Linux
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return Object.values(POWERS).every((power) => (effective & (1n << BigInt(power))) !== 0n)
}

/**
 * Starts this very program anew with those capabilities, in the same process, where it is not root and the machine offers them: what it
 * starts as its own user has them too (git reads files that an agent keeps to itself), and what it starts as another user has none
 * (`WITHOUT_POWERS`). Where it cannot be had nothing happens, and the start says what that means for isolation.
 */
export async function raisePowers(): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() === 0 || (await hasPowers())) return
  const wanted = Object.keys(POWERS)
    .map((power) => `+${power}`)
    .join(',')
  const raise = (program: string, args: readonly string[]) => [`--inh-caps=${wanted}`, `--ambient-caps=${wanted}`, '--', program, ...args]
  // The container may forbid it (no-new-privileges); the program that takes its place would end with that.
  const tried = await run(RAISE, raise('/bin/true', []), { cwd: '/', env: {} }).catch(() => undefined)
  if (tried?.code !== 0) return
  process.execve?.(RAISE, ['raise', ...raise(process.execPath, [...process.execArgv, ...process.argv.slice(1)])])
}
