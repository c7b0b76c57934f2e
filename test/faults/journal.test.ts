import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { openSqliteJournal } from '../../src/journal/sqlite/open.ts'
import { commandHash } from '../../src/command/command.ts'
import { command } from '../contract/records.ts'
import { STRACE, straceMissing } from './sweep-points.ts'

const exec = promisify(execFile)
const WRITES = fileURLToPath(new URL('journal-writes.ts', import.meta.url))
/** The calls by which SQLite makes a record durable. */
const CALLS = ['pwrite64', 'fsync']
/** Points of each; SWEEP=full takes all. */
const POINTS = 4

const missing = straceMissing()

describe.skipIf(missing !== undefined)(`a journal whose disk fails${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  it.each(CALLS.flatMap((call) => ['EIO', 'ENOSPC', 'killed'].map((how) => [call, how] as const)))(
    'at %s with %s acknowledges nothing that it has not recorded, and opens again',
    async (call, how) => {
      const calls = await count(call)
      expect(calls).toBeGreaterThan(POINTS)
      const step = process.env['SWEEP'] === 'full' ? 1 : Math.ceil(calls / POINTS)
      for (let at = 1 + (new Date().getDate() % step); at <= calls; at += step) await strike(call, how, at)
    },
    180_000,
  )
})

/** How often the call is made by a run that nothing disturbs. */
async function count(call: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-journal-'))
  const trace = join(folder, 'trace')
  await traced(['-e', `trace=${call}`, '-o', trace], folder)
  const { length } = (await readFile(trace, 'utf8')).split('\n').filter((line) => line.includes(`${call}(`))
  await rm(folder, { recursive: true })
  return length
}

async function strike(call: string, how: string, at: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-journal-'))
  const fault = how === 'killed' ? 'signal=SIGKILL' : `error=${how}`
  const lines = await traced(['-e', `trace=${call}`, '-e', `inject=${call}:${fault}:when=${at}`, '-o', '/dev/null'], folder)
  await using journal = await openSqliteJournal(folder)
  const known = new Set((await journal.unfinished()).map((record) => String(record.command.commandId)))
  const said = lines.map(({ id, outcome }) => ({ id, outcome, known: known.has(id) }))
  expect(
    said.filter((each) => each.outcome === 'done' && !each.known),
    `${call} ${at} ${how}`,
  ).toEqual([])
  // What was refused may be sent again, and is then known once.
  for (const { id } of said.filter((each) => each.outcome === 'refused')) {
    const of = command(id, `t${id.slice(1)}`, { instruction: 'x'.repeat(3000) })
    expect(['done', 'duplicate']).toContain((await journal.accept({ command: of, hash: await commandHash(of), way: 'http', at: 1, begin: false })).outcome)
  }
  await rm(folder, { recursive: true })
}

async function traced(how: readonly string[], folder: string): Promise<readonly { readonly id: string; readonly outcome: string }[]> {
  const { stdout } = await exec(STRACE, ['-f', '-qq', ...how, process.execPath, WRITES, folder]).catch((error: { stdout: string }) => error)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
