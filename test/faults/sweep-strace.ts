import processes, { type ChildProcess, type SpawnOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { MUTATING, STRACE } from './sweep-points.ts'

/**
 * Loaded into the service before its own code, by `--import`: runs those calls of git under strace that a test has ordered,
 * and every other program as it is. The service itself is the real one and notices nothing but how its git ended.
 */
export interface Order {
  /** Only calls of git below a folder of this name count. */
  readonly user: string
  /** Where each traced call leaves its trace, named `{place in the order} {verb} {which call of that verb}`. */
  readonly logs: string
  /** The one call to trace, such as `update-index 2`; otherwise all are. */
  readonly call?: string
  /** What strace injects there. */
  readonly inject?: string
  /** Where that ended a program, the service ends with it, as hard. */
  readonly dies?: boolean
}

const plainly = processes.spawn
const orderFile = process.env['SWEEP_ORDER']
let [counted, seen] = ['', new Map<string, number>()]

processes.spawn = ((file: string, args: readonly string[], options: SpawnOptions): ChildProcess => {
  const order = readOrder()
  const git = file === 'git' ? args : args.slice(args.indexOf('git') + 1)
  if (order === undefined || git.length === 0 || !(options.env?.['GIT_DIR'] ?? '').split('/').includes(order.user)) return plainly(file, args, options)
  const call = nextCall(order, git[0] ?? '')
  if (order.call !== undefined && order.call !== call.name) return plainly(file, args, options)
  const log = join(order.logs, `${call.place} ${call.name}`)
  const inject = order.inject === undefined ? [] : ['-e', `inject=${order.inject}`]
  // What a push starts is origin's side, which is not ours to break.
  const follow = git[0] === 'push' ? [] : ['-f']
  const strace = plainly(STRACE, [...follow, '-q', '-y', '-o', log, '-e', `trace=${MUTATING}`, ...inject, '--', file, ...args], options)
  // Heard before the service hears it, so that it cannot act on it any more.
  if (order.dies === true) strace.once('exit', () => readFileSync(log, 'utf8').includes('killed by SIGKILL') && process.kill(process.pid, 'SIGKILL'))
  return strace
}) as typeof processes.spawn
syncBuiltinESMExports()

function readOrder(): Order | undefined {
  const text = orderFile === undefined ? '' : readFileSync(orderFile, 'utf8')
  return text === '' ? undefined : JSON.parse(text)
}

function nextCall({ logs }: Order, verb: string): { readonly name: string; readonly place: number } {
  if (counted !== logs) [counted, seen] = [logs, new Map()]
  const [place, nth] = [(seen.get('') ?? 0) + 1, (seen.get(verb) ?? 0) + 1]
  seen.set('', place).set(verb, nth)
  return { name: `${verb} ${nth}`, place }
}
