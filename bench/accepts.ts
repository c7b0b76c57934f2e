import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { commandHash, type Command } from '../src/command/command.ts'
import { ClientId, CommandId, ProjectId, ThreadId, UserId } from '../src/command/ids.ts'
import type { Acceptance } from '../src/journal/journal.ts'
import { openSqliteJournal } from '../src/journal/sqlite/open.ts'
import { temporaryFolder } from '../test/support/service.ts'
import { inTurns, timed, type Subject } from './support.ts'

const ROUNDS = 5
const COMMANDS = 2000
const BURST = 50
/** One by one is slower by far, and as many would only take longer. */
const ONE_BY_ONE = 500

/** Commands recorded so that they survive a power failure, against inserts that do nothing else. */
export const accepts: Subject<'bursts' | 'sequential'> = {
  figures: {
    bursts: { name: 'durable accepts in bursts of 50, against single inserts (more is better)', unit: 'accepts/s', goal: 0.5, moreIsBetter: true },
    sequential: { name: 'durable accepts one by one, against single inserts (more is better)', unit: 'accepts/s', moreIsBetter: true },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const journal = parts.use(await openSqliteJournal(folder))
    const database = parts.adopt(new DatabaseSync(join(folder, 'bare.sqlite')), (open) => open.close())
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (id TEXT PRIMARY KEY, hash TEXT, command TEXT) STRICT')
    const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?)')

    const perSecond = async (count: number, work: (acceptances: readonly Acceptance[]) => Promise<void>): Promise<number> => {
      const acceptances = await Promise.all(Array.from({ length: count }, acceptance))
      return (count * 1000) / (await timed(() => work(acceptances)))
    }
    const accept = async (each: Acceptance): Promise<void> => {
      const { outcome } = await journal.accept(each)
      if (outcome !== 'done') throw new Error(`a command was not accepted: ${outcome}`)
    }
    const rates = await inTurns(ROUNDS, {
      bursts: () =>
        perSecond(COMMANDS, async (all) => {
          for (let from = 0; from < all.length; from += BURST) await Promise.all(all.slice(from, from + BURST).map(accept))
        }),
      sequential: () =>
        perSecond(ONE_BY_ONE, async (all) => {
          for (const each of all) await accept(each)
        }),
      inserts: () =>
        perSecond(ONE_BY_ONE, async (all) => {
          for (const { command, hash } of all) insert.run(command.commandId, hash, JSON.stringify(command))
        }),
    })
    return { bursts: { ours: rates.bursts, baseline: rates.inserts }, sequential: { ours: rates.sequential, baseline: rates.inserts } }
  },
}

async function acceptance(): Promise<Acceptance> {
  const command: Command = {
    clientId: ClientId.parse('acme'),
    userId: UserId.parse('me'),
    projectId: ProjectId.parse('project'),
    threadId: ThreadId.parse(`thread-${randomUUID()}`),
    commandId: CommandId.parse(randomUUID()),
    sessionId: 'bench',
    timestamp: Date.now(),
    type: 'edit',
    instruction: 'Make the heading of the page about breads larger, and give each bread a picture of its own.',
    mode: 'execute',
    delivery: 'interrupt',
    attachments: [],
  }
  return { command, hash: await commandHash(command), way: 'http', at: Date.now(), begin: true }
}
